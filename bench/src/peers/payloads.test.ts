import { expect, test } from "vitest";
import { dueIn, numberIn, Payloads } from "./payloads.ts";

test("payloads have the size that was asked for, carry number and time, and differ", () => {
  const payloads = new Payloads(256);
  const [first, second] = [payloads.make(70_000, 1234.5), payloads.make(70_001, 0)];
  expect([first.length, second.length, payloads.meanBytes]).toEqual([256, 256, 256]);
  expect([numberIn(first), dueIn(first)]).toEqual([70_000, 1234.5]);
  expect(numberIn(second)).toBe(70_001);
  expect(first.subarray(12).equals(second.subarray(12))).toBe(false);
});

test("memory that was given back is used again, for an event with the same body", () => {
  const payloads = new Payloads(256);
  const [first, other] = [payloads.make(3, 0), payloads.make(4, 0)];
  payloads.giveBack(3, first);
  const again = payloads.make(1_003, 7);
  expect(again).toBe(first);
  expect([numberIn(again), dueIn(again)]).toEqual([1_003, 7]);
  expect(payloads.make(1_004, 0)).not.toBe(other);
  expect(payloads.make(2_003, 0)).not.toBe(first);
});

test("a payload is read where it lies in a larger buffer, and bytes that are none are no number", () => {
  const payload = new Payloads(1_024).make(5, 9);
  const within = Buffer.concat([Buffer.alloc(3, 1), payload]).subarray(3);
  expect([numberIn(within), dueIn(within)]).toEqual([5, 9]);
  expect(numberIn(Buffer.alloc(2))).toBeNaN();
});

test("real webhooks come whole", () => {
  const payload = new Payloads("webhooks").make(0, 0);
  expect(JSON.parse(payload.subarray(12).toString())).toBeTypeOf("object");
});
