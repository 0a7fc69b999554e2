import { createSubscriber } from "@warren/client";
import { startChild } from "./harness/child.ts";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, millis, shown, spreadOf, takeTurns } from "./harness/rounds.ts";
import { startBenchSystem, type BenchSystem } from "./parts/bench-system.ts";
import { patience, publishProcess, warmEvents, type PublishJob, type Published } from "./parts/jobs.ts";

/*
 * A consumer wakes: how long from its open until it has the first event that it missed, and until it is live? With nothing, 10 000 and 200 000 events missed. Each
 * round wakes another name on a connection of its own; all names sleep on one receiver, and ack what they get.
 */

const pattern = "bench.wake";

interface Figures {
  /** Milliseconds from the open; undefined when nothing was missed. */
  readonly first: number | undefined;
  readonly live: number;
}

/** Opens, and closes when it is live and has all of the so many events that it missed. */
async function openOnce(system: BenchSystem, consumer: string, missed = 0): Promise<Figures> {
  const subscriber = createSubscriber({ brokerUrl: system.brokerUrls[0] ?? "" });
  const began = performance.now();
  const subscription = subscriber.subscribe({ consumer, patterns: [pattern], maxInFlight: 10_000 });
  let [first, taken]: [number | undefined, number] = [undefined, 0];
  const { promise: all, resolve: hasAll } = Promise.withResolvers<void>();
  if (missed === 0) hasAll();
  const reading = (async () => {
    for await (const event of subscription) {
      first ??= performance.now() - began;
      taken += 1;
      event.ack();
      if (taken === missed) hasAll();
    }
  })();
  for await (const { kind } of subscription.status()) if (kind === "caughtUp") break;
  await all;
  const live = performance.now() - began;
  await subscription.close();
  await reading;
  return { first, live };
}

/** Resolves when the receiver has stored so many events. */
async function untilStored(system: BenchSystem, events: bigint): Promise<void> {
  const subscriber = createSubscriber({ brokerUrl: system.brokerUrls[0] ?? "" });
  for (let head = -1n; head < events;) {
    const subscription = subscriber.subscribe({ patterns: [pattern] });
    for await (const status of subscription.status()) {
      if (status.kind !== "connected") continue;
      head = status.headOffset;
      break;
    }
    await subscription.close();
  }
}

/** Time to the first missed event, and to live. */
export async function wake({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 5 : 25;
  const missed = quick ? [0, 10_000, 100_000] : [0, 10_000, 200_000];
  const system = await startBenchSystem({ say });
  const publisher = startChild(publishProcess);
  try {
    const names = (events: number): readonly string[] => Array.from({ length: rounds + 1 }, (_, round) => `wake-${events}-${round}`);
    // Those that miss most fall asleep first.
    const descending = missed.toReversed();
    let stored = 0;
    for (const [i, events] of descending.entries()) {
      say(`${rounds + 1} names fall asleep, to miss ${count(events)} events`);
      for (const name of names(events)) await openOnce(system, name);
      const more = events - (descending[i + 1] ?? 0);
      if (more > 0) {
        const job: PublishJob = {
          amqpUrl: system.amqpUrl,
          exchange: system.exchange,
          packing: true,
          call: "each",
          eventBytes: 256,
          types: [pattern],
          run: 1,
          events: more - warmEvents,
          window: 5_000,
        };
        const { failed } = await publisher.ask<Published>("publish", job, patience);
        if (failed > 0) throw new Error(`${failed} events were not published`);
        stored += more;
        await untilStored(system, BigInt(stored));
      }
    }
    say("waking");
    const results = await takeTurns(missed.map(String), rounds + 1, (events, round) =>
      openOnce(system, names(Number(events))[round] ?? "", Number(events)),
    );
    return toReport(results, rounds);
  } finally {
    await publisher.stop();
    await system.stop();
  }
}

function toReport(results: Readonly<Record<string, readonly Figures[]>>, rounds: number): Report {
  const percentile = (values: readonly number[], part: number): number =>
    values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;
  const cells = (values: readonly number[]): readonly string[] =>
    values.length === 0 ? ["-", "-"] : [shown(spreadOf(values), millis), millis(percentile(values, 0.99))];
  // The first one warms up.
  const measured = Object.entries(results).map(([missed, figures]) => {
    const counted = figures.slice(1);
    return {
      missed: Number(missed),
      first: counted.flatMap(({ first }) => (first === undefined ? [] : [first])),
      live: counted.map(({ live }) => live),
    };
  });
  const [none, some] = measured;
  const opened = spreadOf(none?.live ?? []).median;
  return {
    title: "Wake: from open to the first missed event, and to live",
    columns: ["missed", "first event, p50, ms", "p99", "live, p50, ms", "p99", "events/s to live"],
    rows: measured.map(({ missed, first, live }) => [
      count(missed),
      ...cells(first),
      ...cells(live),
      missed === 0 ? "-" : count(missed / (spreadOf(live).median / 1000)),
    ]),
    ratios: { "first of 10 000 missed / live with none": Math.round((spreadOf(some?.first ?? []).median / opened) * 100) / 100 },
    notes: [
      `${rounds} rounds, taking turns; each opens a connection of its own. One subscriber in the bench's own process, which acks every event.`,
    ],
    raw: results,
    right: true,
  };
}
