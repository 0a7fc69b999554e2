import { expect, test } from "vitest";
import { middleLatency, middleRate } from "./straight-rounds.ts";

const latency = (p50: number, p99: number) => ({ p50, p99, max: p99 + 1, count: 5, cpu: { middle: 1 } });
const rate = (perSecond: number) => ({ perSecond, publishedPerSecond: 0, events: 0, cpu: { middle: perSecond } });

test("of several rounds each percentile is in the middle", () => {
  expect(middleLatency([latency(3, 4), latency(1, 90), latency(2, 5)])).toEqual({ p50: 2, p99: 5, max: 91, count: 5, cpu: { middle: 1 } });
});

test("of several rounds the median rate counts, as of the contestants, with the CPU of the last", () => {
  expect(middleRate([rate(3), rate(2), rate(1)])).toEqual({ perSecond: 2, cpu: { middle: 1 } });
  expect(middleRate([rate(3), rate(1)])).toEqual({ perSecond: 2, cpu: { middle: 1 } });
});
