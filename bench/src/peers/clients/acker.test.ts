import type { ConsumeMessage, Message } from "amqplib";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Acker } from "./acker.ts";

const message = (deliveryTag: number): ConsumeMessage => ({ fields: { deliveryTag } }) as ConsumeMessage;

let told: [number, boolean | undefined][] = [];
const channel = { ack: ({ fields }: Message, upTo?: boolean) => void told.push([fields.deliveryTag, upTo]) };

beforeEach(() => {
  told = [];
  vi.useFakeTimers();
});
afterEach(() => vi.useRealTimers());

test("acks many messages at once, and what is left after a while", () => {
  const acker = new Acker(channel, { every: 3, withinMs: 40 });
  for (const tag of [1, 2, 3, 4]) acker.done(message(tag));
  expect(told).toEqual([[3, true]]);
  vi.advanceTimersByTime(39);
  expect(told).toHaveLength(1);
  vi.advanceTimersByTime(1);
  expect(told).toEqual([
    [3, true],
    [4, true],
  ]);
  // Several at once: the last of them says how many.
  acker.done(message(7));
  expect(told.at(-1)).toEqual([7, true]);
});

test("has nothing to ack twice", () => {
  const acker = new Acker(channel, { every: 3, withinMs: 40 });
  acker.done(message(1));
  acker.flush();
  acker.flush();
  vi.advanceTimersByTime(100);
  expect(told).toEqual([[1, true]]);
});
