import { createPublisher, type NewEvent, type Publisher } from "@warren/client";
import { answer } from "../harness/child.ts";
import { nowMs } from "../harness/flow.ts";
import { warmEvents, type Published, type PublishJob } from "./jobs.ts";
import { newEvent } from "./made-events.ts";
import { residentMiB } from "./processes.ts";

/* A process: publishes with the SDK as fast as it can, or at a fixed rate, and tells what that cost it. */

const group = 100;
const tickMs = 1;

function eventsOf({ types, run, eventBytes }: PublishJob): (n: number) => NewEvent {
  return (n) => newEvent(eventBytes, types[Math.floor(n / run) % types.length]);
}

async function publish(job: PublishJob): Promise<Published> {
  const { amqpUrl, exchange, packing } = job;
  const publisher = createPublisher({ amqpUrl, exchange, packing, confirmTimeoutMs: 60_000 });
  const make = eventsOf(job);
  await publisher.publishAll(Array.from({ length: warmEvents }, (_, n) => ({ ...make(n), type: job.types[0] ?? "bench.warm" })));
  const latencies = new Float64Array(job.events);
  const account = { settled: 0, failed: 0, peakMiB: 0, heapMiB: 0 };
  const watch = setInterval(() => {
    account.peakMiB = Math.max(account.peakMiB, residentMiB(process.pid));
    account.heapMiB = Math.max(account.heapMiB, process.memoryUsage().heapUsed / 2 ** 20);
  }, 50);
  const done = (began: number, failed: boolean): void => {
    latencies[account.settled] = nowMs() - began;
    account.settled += 1;
    if (failed) account.failed += 1;
  };
  const cpu = process.cpuUsage();
  const began = performance.now();
  if (job.rate !== undefined) await atRate(publisher, job, job.rate, make, done);
  else if (job.call === "each") await oneByOne(publisher, job, make, done);
  else await inGroups(publisher, job, make, done);
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  clearInterval(watch);
  await publisher.close();
  const sorted = latencies.sort();
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  const { failed, peakMiB, heapMiB } = account;
  return { seconds, failed, cpuUs: used.user + used.system, peakMiB, heapMiB, p50: at(0.5), p99: at(0.99) };
}

type Make = (n: number) => NewEvent;
type Done = (began: number, failed: boolean) => void;

/** A `publish()` for each event, never more than `window` of them under way. */
function oneByOne(publisher: Publisher, { events, window }: PublishJob, make: Make, done: Done): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let [sent, underWay, planned] = [0, 0, false];
  const settled = (began: number, failed: boolean): void => {
    done(began, failed);
    underWay -= 1;
    if (underWay === 0 && sent === events) resolve();
    if (planned || sent === events) return;
    planned = true;
    setImmediate(pump);
  };
  const pump = (): void => {
    planned = false;
    for (; underWay < window && sent < events; sent += 1) {
      underWay += 1;
      const began = nowMs();
      publisher.publish(make(sent)).then(
        () => settled(began, false),
        () => settled(began, true),
      );
    }
  };
  pump();
  return promise;
}

/** `publishAll` of a group, as many at once as the window has room for. */
async function inGroups(publisher: Publisher, { events, window }: PublishJob, make: Make, done: Done): Promise<void> {
  let sent = 0;
  const lane = async (): Promise<void> => {
    while (sent < events) {
      const from = sent;
      sent = Math.min(events, sent + group);
      const began = nowMs();
      const outcomes = await publisher.publishAll(Array.from({ length: sent - from }, (_, i) => make(from + i)));
      for (const { kind } of outcomes) done(began, kind !== "ok");
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.floor(window / group)) }, lane));
}

/** Open loop: every few milliseconds what is due, whatever became of the rest. */
function atRate(publisher: Publisher, { events }: PublishJob, rate: number, make: Make, done: Done): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const began = nowMs();
  let [sent, settled] = [0, 0];
  const end = (due: number, failed: boolean): void => {
    done(due, failed);
    settled += 1;
    if (settled === events) resolve();
  };
  const timer = setInterval(() => {
    const due = Math.min(events, Math.floor(((nowMs() - began) / 1000) * rate) + 1);
    for (; sent < due; sent += 1) {
      const at = began + (sent * 1000) / rate;
      publisher.publish(make(sent)).then(
        () => end(at, false),
        () => end(at, true),
      );
    }
    if (sent === events) clearInterval(timer);
  }, tickMs);
  return promise;
}

answer({ publish });
