import { expect, test } from "vitest";
import { middleOf } from "./straight.ts";

const latency = (p50: number, p99: number) => ({ p50, p99, max: p99 + 1, count: 5, cpu: { middle: 1 } });

test("of several rounds each percentile is in the middle, by subscribers, also when a round lacks some", () => {
  const rounds = [
    new Map([[1, latency(3, 4)]]),
    new Map([
      [1, latency(1, 90)],
      [10, latency(7, 8)],
    ]),
    new Map([[1, latency(2, 5)]]),
  ];
  expect([...middleOf(rounds)]).toEqual([
    [1, { p50: 2, p99: 5, max: 91, count: 5, cpu: { middle: 1 } }],
    [10, { p50: 7, p99: 8, max: 9, count: 5, cpu: { middle: 1 } }],
  ]);
  expect(middleOf([]).size).toBe(0);
});
