import type { Chart, Goal, Report, Table } from "../harness/report.ts";
import { count, millis, shown, spreadBy } from "../harness/rounds.ts";
import { limitNotes, limitsTable, rawLimits } from "../limits/index.ts";
import { floorsTable } from "./floors.ts";
import { contestants, type Contestant, type ContestantKey } from "./contestants.ts";
import { compare, type Comparison } from "./goals.ts";
import type { CatchUp, Latency, Throughput } from "./measure.ts";
import { contestantKeys, pacedPerSecond, type Found, type Size } from "./plan.ts";
import type { Run } from "./run.ts";

const none = "-";
const labelOf = (key: ContestantKey): string => contestants[key].label;

/** Writes down what a run found. */
export function reportOf(run: Run, size: Size): Report {
  const { found, failures, limits } = run;
  const keys = contestantKeys.filter(
    (key) => failures[key] !== undefined || Object.values(found).some((results) => results[key] !== undefined),
  );
  const comparisons = compare(found);
  const goals = comparisons.flatMap((each): readonly Goal[] => (each.goal === undefined ? [] : [{ ...each, goal: each.goal }]));
  return {
    title: `Warren and its peers (events of 256 bytes, ${size.rounds.full} rounds in turn, latency ${size.rounds.fixed}, medians with lowest and highest)`,
    columns: [
      "system",
      "events/s, 1 subscriber",
      "events/s, 10 subscribers",
      `events/s after ${count(size.missed)} missed`,
      `p50, ms at ${count(pacedPerSecond)} events/s, 1 subscriber`,
      "p99",
      "p50, 10 subscribers",
      "p99",
    ],
    rows: keys.map((key) => rowOf(key, found, failures)),
    tables: [
      ratiosTable(comparisons),
      durabilityTable(keys),
      cpuTable(keys, found),
      ...otherTables(run),
      ...(limits === undefined ? [] : [limitsTable(limits), floorsTable(comparisons, limits)]),
    ],
    goals,
    charts: charts(found),
    notes: [
      "Each system has one publisher process and one process of all subscribers; each subscriber has a durable position of its own and acks. Rates are of events, from the first publish to the last delivery to the last subscriber; every subscriber got every event, in order, once.",
      "What was missed is where each system keeps it a moment after it was published: in memory, in the page cache, or on disk. The rate counts from the moment at which the subscriber opens its connection.",
      "Latency counts from the time at which an event was due, whether or not the publisher could send it then.",
      "Warren: `publish()` of the SDK, `for await` with `event.ack()`, `maxInFlight: 10_000`. Its archive, which keeps every event a second time, is a contestant of its own. A window of 5 000 unconfirmed events (2 000 for queues of RabbitMQ).",
      "JetStream hand-tuned: one inbox for all acknowledgements of what was published; its last variant also acks 200 messages at once. Redis: pipelined XADD, XREADGROUP of up to 1 000 and one XACK for them, no rewrites of its file. Quorum queues: prefetch 2 000, 500 messages acked at once, no Nagle's algorithm (amqplib leaves it on, and latency suffers). RabbitMQ streams: the defaults of their client. Each RabbitMQ, of peers too, begins a new write-ahead log after 128 MB, not after 512 MiB, its default: that makes quorum queues faster.",
      ...limitNotes,
      ...run.otherFailures.map((failure) => `NO FIGURE for ${failure}`),
      ...Object.entries(failures).map(([key, why]) => `NO FIGURES for ${labelOf(key as ContestantKey)}: ${why}`),
    ],
    ratios: Object.fromEntries(comparisons.map(({ measure, against, ratio }) => [`${measure}: Warren / ${against}`, ratio])),
    raw: { size, ...run, limits: limits === undefined ? undefined : rawLimits(limits) },
    right: Object.keys(failures).length === 0 && run.otherFailures.length === 0,
  };
}

function rowOf(key: ContestantKey, found: Found, failures: Run["failures"]): readonly string[] {
  if (failures[key] !== undefined) return [labelOf(key), ...Array.from({ length: 7 }, () => "failed")];
  const rate = (results: readonly (Throughput | CatchUp)[] = []): string =>
    results.length === 0 ? none : shown(spreadBy(results, ({ perSecond }) => perSecond));
  const latency = (results: readonly Latency[] = []): readonly string[] =>
    (["p50", "p99"] as const).map((part) =>
      results.length === 0
        ? none
        : shown(
            spreadBy(results, (result) => result[part]),
            millis,
          ),
    );
  return [
    labelOf(key),
    rate(found.throughput1[key]),
    rate(found.throughput10[key]),
    rate(found.catchUp[key]),
    ...latency(found.latency1[key]),
    ...latency(found.latency10[key]),
  ];
}

/** For each peer how many times as much as it Warren does, and how long it takes in its latencies. */
function ratiosTable(comparisons: readonly Comparison[]): Table {
  const names = [...new Set(comparisons.map(({ measure }) => measure))];
  const peers = contestantKeys.filter((key) => comparisons.some(({ peer }) => peer === key));
  return {
    title: "Warren divided by each (rates: more is better; p50 and p99: less)",
    columns: ["peer", ...names],
    rows: peers.map((peer) => [
      labelOf(peer),
      ...names.map((name) => {
        const found = comparisons.find((each) => each.peer === peer && each.measure === name);
        return found === undefined ? none : `${found.ratio}x`;
      }),
    ]),
  };
}

function durabilityTable(keys: readonly ContestantKey[]): Table {
  return {
    title: "What is on disk when the publisher hears that an event is stored",
    columns: ["system", "on disk"],
    rows: keys.map((key) => [labelOf(key), contestants[key].durability]),
  };
}

function cpuTable(keys: readonly ContestantKey[], { throughput1, throughput10, catchUp, latency1, latency10 }: Found): Table {
  const list = (cpu: Readonly<Record<string, number>> | undefined): string => {
    if (cpu === undefined) return none;
    const used = Object.entries(cpu).filter(([, us]) => us >= 0.5);
    const sum = used.reduce((total, [, us]) => total + us, 0);
    return `${sum.toFixed(1)}: ${used.map(([role, us]) => `${role} ${us}`).join(", ")}`;
  };
  return {
    title: "CPU for each event, microseconds: in all, and by process (last round)",
    columns: [
      "system",
      "1 subscriber",
      "10 subscribers",
      "catching up",
      `at ${count(pacedPerSecond)} events/s, 1 subscriber`,
      `at ${count(pacedPerSecond)} events/s, 10 subscribers`,
    ],
    rows: keys.map((key) => [
      labelOf(key),
      ...[throughput1, throughput10, catchUp, latency1, latency10].map((results) => list(results[key]?.at(-1)?.cpu)),
    ]),
  };
}

function otherTables({ others }: Run): readonly Table[] {
  if (others.length === 0) return [];
  const name = (payload: number | "webhooks"): string => (payload === "webhooks" ? "webhook bodies of GitHub" : `${count(payload)} bytes`);
  return [
    {
      title: "Other payloads, events/s (one round)",
      columns: [
        "system",
        ...others.map(({ payload, subscribers }) => `${name(payload)}, ${subscribers} subscriber${subscribers === 1 ? "" : "s"}`),
      ],
      rows: contestantKeys
        .filter((key) => others.some(({ results }) => results[key] !== undefined))
        .map((key) => [
          labelOf(key),
          ...others.map(({ results }) => {
            const result = results[key]?.[0];
            return result === undefined ? none : count(result.perSecond);
          }),
        ]),
    },
  ];
}

function charts({ throughput1, throughput10, catchUp, latency10 }: Found): readonly Chart[] {
  const shownKeys = contestantKeys.filter((key) => (contestants[key] as Contestant).onlyThroughput === undefined);
  const rate = (results: readonly (Throughput | CatchUp)[] | undefined): number | undefined =>
    results === undefined ? undefined : spreadBy(results, ({ perSecond }) => perSecond).median;
  return [
    {
      title: "Published, stored and delivered",
      unit: "events/s",
      series: ["1 subscriber", "10 subscribers"],
      groups: shownKeys.map((key) => ({ name: labelOf(key), values: [rate(throughput1[key]), rate(throughput10[key])] })),
    },
    {
      title: "Catching up with what was missed",
      unit: "events/s",
      series: ["1 subscriber"],
      groups: shownKeys.map((key) => ({ name: labelOf(key), values: [rate(catchUp[key])] })),
    },
    {
      title: `Latency at ${count(pacedPerSecond)} events/s, 10 subscribers`,
      unit: "ms",
      series: ["p50", "p99"],
      groups: shownKeys.map((key) => {
        const results = latency10[key];
        const part = (which: "p50" | "p99"): number | undefined =>
          results === undefined ? undefined : spreadBy(results, (each) => each[which]).median;
        return { name: labelOf(key), values: [part("p50"), part("p99")] };
      }),
    },
  ];
}
