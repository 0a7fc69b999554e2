import { ratioOf, spreadBy } from "../harness/rounds.ts";
import type { Goal } from "../harness/report.ts";
import { contestants, type ContestantKey } from "./contestants.ts";
import type { CatchUp, Latency, Throughput } from "./measure.ts";
import { contestantKeys, measures, type Found, type MeasureName } from "./plan.ts";

/** One figure of a measure, to be compared. */
interface Compared {
  readonly name: string;
  readonly measure: MeasureName;
  readonly figure: (result: never) => number;
  readonly better: Goal["better"];
}

const rate = (result: Throughput | CatchUp): number => result.perSecond;
const p50 = (result: Latency): number => result.p50;
const p99 = (result: Latency): number => result.p99;

const throughput: Compared = { name: "published to delivered, 1 subscriber", measure: "throughput1", figure: rate, better: "more" };

const compared: readonly Compared[] = [
  throughput,
  { name: "published to delivered, 10 subscribers", measure: "throughput10", figure: rate, better: "more" },
  { name: "catching up", measure: "catchUp", figure: rate, better: "more" },
  { name: "p50, 1 subscriber", measure: "latency1", figure: p50, better: "less" },
  { name: "p99, 1 subscriber", measure: "latency1", figure: p99, better: "less" },
  { name: "p50, 10 subscribers", measure: "latency10", figure: p50, better: "less" },
  { name: "p99, 10 subscribers", measure: "latency10", figure: p99, better: "less" },
];

type Goals = Readonly<Partial<Record<ContestantKey, number>>>;

/** What Warren is to reach against each peer, in the order of what is compared. */
const goals: readonly Goals[] = [
  { jetStream: 10, jetStreamTuned: 2.5, redisAlways: 5, quorumQueues: 10, rabbitMqStream: 14 },
  { jetStreamTuned: 4, redisAlways: 4.5, quorumQueues: 18 },
  { jetStream: 3, redisEverysec: 4, quorumQueues: 4.5 },
  { quorumQueues: 2 },
  { quorumQueues: 1.5 },
  { quorumQueues: 0.8 },
  { quorumQueues: 0.5 },
];

/** Against bare amqplib, one event in each AMQP message. */
const unpackedGoal = 0.95;

/** What was compared with what, with its goal if it has one. */
export interface Comparison extends Omit<Goal, "goal"> {
  readonly peer: ContestantKey;
  readonly goal: number | undefined;
  /** Warren's figure: events/s or milliseconds. */
  readonly ours: number;
  /** The peer's. */
  readonly theirs: number;
}

/** Warren against every peer in every measure, and without packs against bare amqplib. */
export function compare(found: Found): readonly Comparison[] {
  const against = (ours: ContestantKey, peer: ContestantKey, { measure, figure }: Compared) => {
    const [mine, theirs] = [found[measure][ours] ?? [], found[measure][peer] ?? []];
    if (mine.length === 0 || theirs.length === 0) return undefined;
    const [our, their] = [spreadBy(mine as never[], figure), spreadBy(theirs as never[], figure)];
    return { ratio: ratioOf(our, their), ours: our.median, theirs: their.median, peer };
  };
  const all = compared.flatMap((each, index) =>
    contestantKeys.flatMap((peer): readonly Comparison[] => {
      if (peer.startsWith("warren") || !measures.latency10.takesPart(contestants[peer], false)) return [];
      const result = against("warren", peer, each);
      if (result === undefined) return [];
      return [{ ...result, measure: each.name, against: contestants[peer].label, goal: goals[index]?.[peer], better: each.better }];
    }),
  );
  // Without packs RabbitMQ is the wall: how near is what stores every event to what stores none?
  const unpacked = [
    { ours: "warrenForeign", measure: "one event per AMQP message, a foreign sender", goal: unpackedGoal },
    { ours: "warrenUnpacked", measure: "one event per AMQP message, the SDK", goal: undefined },
  ] as const;
  const bare = { against: "bare amqplib, nothing stored", better: "more" } as const;
  const plain = unpacked.flatMap(({ ours, measure, goal }): readonly Comparison[] => {
    const result = against(ours, "quorumQueues", throughput);
    return result === undefined ? [] : [{ ...result, ...bare, measure, goal }];
  });
  return [...all, ...plain];
}
