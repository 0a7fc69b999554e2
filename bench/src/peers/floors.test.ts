import { expect, test } from "vitest";
import type { Limits, RateLimit } from "../limits/measure.ts";
import { floorsTable } from "./floors.ts";
import type { Comparison } from "./goals.ts";

const rate = (perSecond: number): RateLimit => ({ perSecond, cpu: {} });
const limits: Limits = {
  packs: new Map([
    [1, rate(20)],
    [200, rate(900)],
  ]),
  appends: new Map([
    [500, rate(250)],
    [2_000, rate(300)],
  ]),
  streams: new Map([
    [1, rate(1_000)],
    [10, rate(100)],
  ]),
  straight: new Map([
    [1, rate(280)],
    [10, rate(120)],
  ]),
  foreign: new Map([[1, rate(33)]]),
  straightLatency: new Map([[1, { p50: 1, p99: 7, max: 9, count: 1, cpu: {} }]]),
};

function compared(
  measure: string,
  { ours, theirs, goal }: { readonly ours: number; readonly theirs: number; readonly goal?: number },
): Comparison {
  const better = /^p\d/.test(measure) ? "less" : "more";
  return { measure, against: "a peer", peer: "quorumQueues", ratio: ours / theirs, ours, theirs, goal, better };
}

const rowsOf = (...comparisons: readonly Comparison[]) => floorsTable(comparisons, limits).rows.map(([, , ...cells]) => cells);

test("a goal is out of reach when it asks for more than the straight path reaches, whatever its parts gave by themselves", () => {
  expect(
    rowsOf(
      compared("published to delivered, 1 subscriber", { ours: 200, theirs: 40, goal: 10 }),
      compared("published to delivered, 1 subscriber", { ours: 200, theirs: 25, goal: 10 }),
      compared("published to delivered, 10 subscribers", { ours: 90, theirs: 11, goal: 10 }),
      compared("catching up", { ours: 500, theirs: 400, goal: 3 }),
      compared("one event per AMQP message, a foreign sender", { ours: 30, theirs: 40, goal: 0.95 }),
    ),
  ).toEqual([
    ["400/s", "280/s", "the straight path", "out of reach"],
    ["250/s", "280/s", "the straight path", "within reach"],
    ["110/s", "120/s", "the straight path", "within reach"],
    ["1,200/s", "1,000/s", "HTTP/2", "out of reach"],
    ["38/s", "33/s", "the straight path, plain messages", "out of reach"],
  ]);
});

test("a latency is bounded by the straight path at the same rate", () => {
  expect(
    rowsOf(
      compared("p99, 1 subscriber", { ours: 10, theirs: 4, goal: 1.5 }),
      compared("p50, 1 subscriber", { ours: 3, theirs: 1, goal: 2 }),
      compared("p50, 10 subscribers", { ours: 3, theirs: 1, goal: 2 }),
    ),
  ).toEqual([
    ["6.0 ms", "7.0 ms", "the straight path", "out of reach"],
    ["2.0 ms", "1.0 ms", "the straight path", "within reach"],
    ["2.0 ms", "-", "-", "not bounded here"],
  ]);
});

test("where Warren is as good as the straight path, both meet the same limit; what it has far passed bounds nothing", () => {
  expect(
    rowsOf(
      compared("one event per AMQP message, a foreign sender", { ours: 34, theirs: 40, goal: 0.95 }),
      compared("one event per AMQP message, a foreign sender", { ours: 37, theirs: 40, goal: 0.95 }),
      compared("published to delivered, 1 subscriber", { ours: 320, theirs: 40, goal: 10 }),
      compared("p99, 1 subscriber", { ours: 6.5, theirs: 4, goal: 1.5 }),
      compared("p99, 1 subscriber", { ours: 6.2, theirs: 4, goal: 1.5 }),
    ),
  ).toEqual([
    ["38/s", "34/s", "the straight path, plain messages, and Warren, which is as good", "out of reach"],
    ["38/s", "37/s", "Warren itself, which passes them", "not bounded here"],
    ["400/s", "320/s", "Warren itself, which passes them", "not bounded here"],
    ["6.0 ms", "6.5 ms", "the straight path, and Warren, which is as good", "out of reach"],
    ["6.0 ms", "6.2 ms", "Warren itself, which passes them", "not bounded here"],
  ]);
});

test("goals that are met, and measures without one, have no row", () => {
  const met = compared("published to delivered, 1 subscriber", { ours: 200, theirs: 20, goal: 10 });
  expect(rowsOf(met, compared("one event per AMQP message, the SDK", { ours: 1, theirs: 40 }))).toEqual([]);
});
