import { Limits } from "@warren/protocol";
import { expect, test } from "vitest";
import { AckWindow } from "./ack-window.ts";

test("W8: acks are told at once when an eighth of what may be un-acked came since the last one, in events or in bytes", () => {
  const window = new AckWindow({ maxInFlight: 80, maxInFlightBytes: 800 });
  expect(window.isFilling).toBe(false);
  window.received(9, 10);
  expect(window.isFilling).toBe(false);
  window.received(1, 10);
  expect(window.isFilling).toBe(true);
  window.acked();
  window.received(1, 99);
  expect(window.isFilling).toBe(false);
  window.received(1, 1);
  expect(window.isFilling).toBe(true);
});

test("who takes one event at a time acks it at once; the defaults are the broker's", () => {
  const one = new AckWindow({ maxInFlight: 1 });
  one.received(1, 1);
  expect(one.isFilling).toBe(true);
  const usual = new AckWindow({});
  usual.received(Limits.defaultMaxInFlight / 8 - 1, 1);
  expect(usual.isFilling).toBe(false);
});
