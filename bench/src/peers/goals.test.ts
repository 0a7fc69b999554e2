import { expect, test } from "vitest";
import { compare } from "./goals.ts";
import type { Throughput } from "./measure.ts";
import type { Found } from "./plan.ts";

const rates = (...all: readonly number[]): Throughput[] =>
  all.map((perSecond) => ({ events: 1, perSecond, publishedPerSecond: perSecond, cpu: {} }));
const latency = (p50: number, p99: number) => [{ p50, p99, max: p99, count: 1, cpu: {} }];
const found: Found = {
  throughput1: {
    warren: rates(100, 300, 200),
    jetStream: rates(20),
    quorumQueues: rates(40),
    warrenUnpacked: rates(30),
    warrenForeign: rates(34),
  },
  throughput10: {},
  catchUp: {},
  latency1: { warren: latency(3, 10), quorumQueues: latency(2, 4) },
  latency10: {},
};
test("ours is compared with whoever was measured, medians with medians, and without packs with bare queues", () => {
  const short = compare(found).map(({ measure, peer, ratio, goal }) => [measure, peer, ratio, goal]);
  expect(short).toEqual([
    ["published to delivered, 1 subscriber", "jetStream", 10, 10],
    ["published to delivered, 1 subscriber", "quorumQueues", 5, 10],
    ["p50, 1 subscriber", "quorumQueues", 1.5, 2],
    ["p99, 1 subscriber", "quorumQueues", 2.5, 1.5],
    ["one event per AMQP message, a foreign sender", "quorumQueues", 0.85, 0.95],
    ["one event per AMQP message, the SDK", "quorumQueues", 0.75, undefined],
  ]);
});
