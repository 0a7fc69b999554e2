import { answer } from "../harness/child.ts";
import { machineMs } from "../harness/clock.ts";
import type { PeerSubscribers, Target, Topic } from "./client.ts";
import { clients, type ClientName } from "./clients/index.ts";
import { dueIn, numberIn } from "./payloads.ts";

/** The one process of all subscribers: sees to it that each gets every event, in order, once. */

interface Open {
  readonly client: ClientName;
  readonly target: Target;
  readonly topic: Topic;
  /** The first number that comes. */
  readonly next: number;
  /** Whether latencies are kept. */
  readonly timed: boolean;
}

/** What has arrived. */
export interface Arrived {
  readonly lastAtMs: number;
  /** From the time at which each event was due; those of all subscribers, from `afterNumber` on. */
  readonly latency?: { readonly p50: number; readonly p99: number; readonly max: number; readonly count: number };
}

let subscribers: PeerSubscribers | undefined;
let next: number[] = [];
let timed = false;
let numbers: number[] = [];
let latencies: number[] = [];
let awaited = Number.POSITIVE_INFINITY;
let missing = 0;
let reached: (() => void) | undefined;
let wrong: string | undefined;

answer({
  create: async ({ client, target, topic }: Pick<Open, "client" | "target" | "topic">) => (await clients[client]()).create(target, topic),
  remove: async ({ client, target, topic }: Pick<Open, "client" | "target" | "topic">) => (await clients[client]()).remove(target, topic),
  async open(options: Open) {
    next = options.topic.subscribers.map(() => options.next);
    ({ timed } = options);
    numbers = [];
    latencies = [];
    awaited = Number.POSITIVE_INFINITY;
    const client = await clients[options.client]();
    const openedAtMs = machineMs();
    subscribers = await client.openSubscribers(options.target, options.topic, take);
    return openedAtMs;
  },
  /** Resolves when every subscriber has all events below this number. Asked before the last of them is published, it tells when that arrived. */
  async arrive({ total, afterNumber = 0 }: { readonly total: number; readonly afterNumber?: number }): Promise<Arrived> {
    missing = next.filter((each) => each < total).length;
    awaited = total;
    if (missing > 0) await new Promise<void>((resolve) => (reached = resolve));
    const lastAtMs = machineMs();
    if (wrong !== undefined) throw new Error(wrong);
    return { lastAtMs, ...(timed ? { latency: percentiles(afterNumber) } : {}) };
  },
  /** How far they are, and what was wrong: to tell why something takes so long. */
  state: () => ({ next, wrong }),
  close: () => subscribers?.close(),
});

function take(subscriber: number, payload: Uint8Array): void {
  const n = numberIn(payload);
  const expected = next[subscriber] ?? 0;
  if (n !== expected) wrong ??= `subscriber ${subscriber} got event ${n} instead of ${expected}`;
  next[subscriber] = n + 1;
  if (timed) {
    numbers.push(n);
    latencies.push(machineMs() - dueIn(payload));
  }
  if (n + 1 !== awaited && wrong === undefined) return;
  missing -= 1;
  if (missing <= 0 || wrong !== undefined) reached?.();
}

function percentiles(afterNumber: number): NonNullable<Arrived["latency"]> {
  const sorted = Float64Array.from(latencies.filter((_, i) => (numbers[i] ?? 0) >= afterNumber)).toSorted();
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), max: at(1), count: sorted.length };
}
