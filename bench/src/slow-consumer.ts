import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { fileURLToPath } from "node:url";
import { createSubscriber, type Subscription } from "@warren/client";
import { must } from "@warren/protocol";
import { startRealSystem } from "@warren/testkit";
import { nowMs, startFlow } from "./flow.ts";

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

/** Resident memory of a process, in MiB. */
function residentMiB(pid: number): number {
  const [, kib] = must(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")), "a process has VmRSS");
  return Number(kib) / 1024;
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

/** Prints what a subscriber that stops reading costs. False: a goal was missed, or an event was lost, repeated or out of order. */
export async function benchSlowConsumer(quick: boolean): Promise<boolean> {
  const say = (line: string): void => void process.stderr.write(`[bench] ${line}\n`);
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

    const rows = names.slice(0, 2).map((name, i) => {
      const [before, during] = [must(baseline[i], "measured"), must(stopped[i], "measured")];
      const ratio = during.p99 / before.p99;
      const figures = [before.p50, before.p99, during.p50, during.p99].map((ms) => ms.toFixed(1));
      return { ratio, line: `| ${name} | ${figures.join(" | ")} | ${ratio.toFixed(2)} |` };
    });
    const wrong = readers.reduce((sum, reader) => sum + reader.wrong + Math.abs(reader.taken - flow.published), 0);
    const grown = stoppedMiB - baselineMiB;
    const ratio = Math.max(...rows.map((row) => row.ratio));
    process.stdout.write(`${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, Node ${process.version}, ${eventsPerSecond} events/s\n\n`);
    process.stdout.write(
      "| consumer | p50 before, ms | p99 before | p50 while it stops | p99 while it stops | p99 ratio |\n|---|---|---|---|---|---|\n",
    );
    process.stdout.write(`${rows.map(({ line }) => line).join("\n")}\n\n`);
    process.stdout.write(
      `broker memory: peak ${baselineMiB.toFixed(0)} MiB before, ${stoppedMiB.toFixed(0)} MiB while it stops: ${grown.toFixed(0)} MiB more (goal < ${goal.memoryMiB})\n`,
    );
    process.stdout.write(
      `caught up with ${missed} events in ${caughtUp.toFixed(1)} s, while ${eventsPerSecond} events/s more came; ${readers.length} x ${flow.published} events, ${wrong} lost, repeated or out of order, ${flow.failed} not published\n`,
    );
    const right = wrong === 0 && flow.failed === 0 && grown < goal.memoryMiB && ratio <= goal.latencyRatio;
    process.stdout.write(`${JSON.stringify({ grownMiB: Math.round(grown), p99Ratio: Number(ratio.toFixed(2)), missed, wrong, right })}\n`);
    return right;
  } finally {
    await Promise.all(readers.map(({ subscription }) => subscription.close()));
    await system.stop();
  }
}
