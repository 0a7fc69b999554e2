import { fileURLToPath } from "node:url";
import { createSubscriber, type Subscription } from "@warren/client";
import { must } from "@warren/protocol";
import { startRealSystem } from "@warren/testkit";
import { nowMs, startFlow } from "./harness/flow.ts";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { millis, round2 } from "./harness/rounds.ts";
import { residentMiB } from "./parts/processes.ts";

/*
 * A subscriber stops reading while events flow. What does it cost the broker, and do the others notice? Two named consumers read all the time; a third one reads, then
 * takes nothing for a while (its connection stays up, its pings are answered), then reads again. Broker and archiver are processes, the publisher is a thread, the
 * subscribers are this one. Latency counts from the time at which an event was to be published (open loop), so a publisher that falls behind is no excuse.
 */

const eventsPerSecond = 5_000;
const goal = { memoryMiB: 64, latencyRatio: 2 };
const patterns = ["bench.#"];

/** A consumer of the bench: keeps account of order and latency. */
class Reader {
  readonly subscription: Subscription;
  taken = 0;
  wrong = 0;
  #latencies: number[] = [];
  #gate: Promise<void> | undefined;

  constructor(brokerUrl: string, consumer: string) {
    // As much as may be under way at all: the worst case for the broker.
    this.subscription = createSubscriber({ brokerUrl }).subscribe({ consumer, patterns, maxInFlight: 10_000 });
  }

  async run(): Promise<void> {
    for await (const event of this.subscription) {
      await this.#gate;
      const { n, at } = event.data as { readonly n: number; readonly at: number };
      if (n !== this.taken) this.wrong += 1;
      this.taken += 1;
      this.#latencies.push(nowMs() - at);
      event.ack();
    }
  }

  /** Takes nothing until the returned function is called. */
  stop(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    return () => {
      this.#gate = undefined;
      resolve();
    };
  }

  /** Latencies since the last call, in milliseconds. */
  latencies(): { readonly p50: number; readonly p99: number } {
    const sorted = Float64Array.from(this.#latencies).toSorted();
    this.#latencies = [];
    const at = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? Number.NaN;
    return { p50: at(0.5), p99: at(0.99) };
  }
}

const wait = (seconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** Resolves when it holds, or throws after so many seconds. */
async function until(what: string, seconds: number, holds: () => boolean): Promise<void> {
  for (const end = performance.now() + seconds * 1000; !holds();) {
    if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await wait(0.02);
  }
}

/** Most of what was seen while it ran. */
async function peakMiB(pid: number, seconds: number): Promise<number> {
  let most = 0;
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    most = Math.max(most, residentMiB(pid));
    await wait(0.25);
  }
  return most;
}

/** What a subscriber that stops reading costs. Not right: a goal was missed, or an event was lost, repeated or out of order. */
export async function slowConsumer({ quick, say }: ScenarioOptions): Promise<Report> {
  const seconds = quick ? { warm: 5, baseline: 5, stopped: 15 } : { warm: 20, baseline: 20, stopped: 60 };
  const main = fileURLToPath(new URL("../../apps/cli/dist/main.js", import.meta.url));
  const system = await startRealSystem(main, say);
  const { brokerUrl, amqpUrl, exchange, brokerPid } = system;
  const names = ["steady-1", "steady-2", "slow"] as const;
  const readers = names.map((name) => new Reader(brokerUrl, name));
  const slow = must(readers[2], "there is a slow reader");
  try {
    const running = readers.map((reader) => reader.run());
    await until("subscribers live", 20, () => readers.every(({ subscription }) => subscription.current.kind === "caughtUp"));
    say(`${eventsPerSecond} events/s; warming up for ${seconds.warm} s, then ${seconds.baseline} s as the baseline`);
    const flow = startFlow({ amqpUrl, exchange, eventsPerSecond });
    await wait(seconds.warm);
    for (const reader of readers) reader.latencies();
    const baselineMiB = await peakMiB(brokerPid, seconds.baseline);
    const baseline = readers.map((reader) => reader.latencies());
    say(`one subscriber stops reading for ${seconds.stopped} s`);
    const resume = slow.stop();
    const stoppedMiB = await peakMiB(brokerPid, seconds.stopped);
    const stopped = readers.map((reader) => reader.latencies());
    const missed = flow.published - slow.taken;
    const began = performance.now();
    say(`it reads again; ${missed} events wait for it`);
    resume();
    await until("caught up", 120, () => flow.published - slow.taken < eventsPerSecond / 5);
    const caughtUp = (performance.now() - began) / 1000;
    await flow.stop();
    await until("everyone has everything", 60, () => readers.every(({ taken }) => taken >= flow.published));
    for (const { subscription } of readers) await subscription.close();
    await Promise.all(running);

    const steady = names.slice(0, 2).map((name, i) => {
      const [before, during] = [must(baseline[i], "measured"), must(stopped[i], "measured")];
      const ratio = round2(during.p99 / before.p99);
      const figures = [before.p50, before.p99, during.p50, during.p99];
      return { name, ratio, figures };
    });
    const wrong = readers.reduce((sum, reader) => sum + reader.wrong + Math.abs(reader.taken - flow.published), 0);
    const grown = Math.round(stoppedMiB - baselineMiB);
    const p99Ratio = Math.max(...steady.map(({ ratio }) => ratio));
    return {
      title: `A subscriber stops reading (${eventsPerSecond} events/s)`,
      columns: ["consumer", "p50 before, ms", "p99 before", "p50 while it stops", "p99 while it stops", "p99 ratio"],
      rows: steady.map(({ name, ratio, figures }) => [name, ...figures.map(millis), ratio.toFixed(2)]),
      notes: [
        `broker memory: peak ${baselineMiB.toFixed(0)} MiB before, ${stoppedMiB.toFixed(0)} MiB while it stops: ${grown} MiB more (goal < ${goal.memoryMiB})`,
        `caught up with ${missed} events in ${caughtUp.toFixed(1)} s, while ${eventsPerSecond} events/s more came; ${readers.length} x ${flow.published} events, ${wrong} lost, repeated or out of order, ${flow.failed} not published`,
      ],
      ratios: { "p99 while one stops / before": p99Ratio },
      goals: [
        { measure: "p99 of the others while one stops", against: "before", ratio: p99Ratio, goal: goal.latencyRatio, better: "less" },
      ],
      raw: { baselineMiB, stoppedMiB, baseline, stopped, missed, caughtUp, published: flow.published, failed: flow.failed, wrong },
      right: wrong === 0 && flow.failed === 0 && grown < goal.memoryMiB && p99Ratio <= goal.latencyRatio,
    };
  } finally {
    await Promise.all(readers.map(({ subscription }) => subscription.close()));
    await system.stop();
  }
}
