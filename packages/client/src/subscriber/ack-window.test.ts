import { Limits } from "@warren/protocol";
import { expect, test } from "vitest";
import { AckWindow } from "./ack-window.ts";

test("W8: acks are told at once while an eighth of what may be un-acked is not told, in events or in bytes", () => {
  const window = new AckWindow({ maxInFlight: 80, maxInFlightBytes: 800 });
  expect(window.isFilling).toBe(false);
  window.handedOver(9, 10);
  expect(window.isFilling).toBe(false);
  window.handedOver(1, 10);
  expect(window.isFilling).toBe(true);
  window.acked(1);
  expect(window.isFilling).toBe(false);
  window.handedOver(1, 1);
  expect(window.isFilling).toBe(true);
  window.acked(100);
  window.handedOver(2, 99);
  expect(window.isFilling).toBe(false);
  window.handedOver(2, 101);
  expect(window.isFilling).toBe(true);
  window.acked(2);
  expect(window.isFilling).toBe(true);
  window.acked(1);
  expect(window.isFilling).toBe(false);
});

test("who takes one event at a time acks it at once; the defaults are the broker's", () => {
  const one = new AckWindow({ maxInFlight: 1 });
  one.handedOver(1, 1);
  expect(one.isFilling).toBe(true);
  const usual = new AckWindow({});
  usual.handedOver(Limits.defaultMaxInFlight / 8 - 1, 1);
  expect(usual.isFilling).toBe(false);
});
