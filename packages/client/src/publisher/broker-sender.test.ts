import { Limits } from "@warren/protocol";
import { expect, test } from "vitest";
import { callEnd } from "./broker-sender.ts";

test("a call through the broker takes what one request may hold, and one event whatever its size", () => {
  const of = (count: number, size: number) => Array.from({ length: count }, () => ({ size }));
  expect(callEnd(of(5, 100))).toBe(5);
  expect(callEnd(of(Limits.publishEvents + 1, 100))).toBe(Limits.publishEvents);
  expect(callEnd(of(5, Limits.requestBytes / 8))).toBe(2);
  expect(callEnd(of(5, Limits.requestBytes))).toBe(1);
  expect(callEnd([])).toBe(0);
});
