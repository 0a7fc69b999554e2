import { isMainThread, Worker, workerData } from "node:worker_threads";
import { createPublisher } from "@warren/client";

/** What to publish, and how fast. */
export interface FlowOptions {
  readonly amqpUrl: string;
  readonly exchange: string;
  readonly eventsPerSecond: number;
}

/** Publishes at a fixed rate, in a thread of its own, until stopped. */
export interface Flow {
  /** So far. */
  readonly published: number;
  /** Of these, with another outcome than ok. */
  readonly failed: number;
  /** Resolves when the outcome of everything is known. */
  stop(): Promise<void>;
}

/** Milliseconds since 1970 by the monotonic clock: the same in every thread. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

const tickMs = 1;
/** An event of about 256 bytes on the wire. */
const padding = "x".repeat(150);
/** Places of what both threads see. */
const shared = { published: 0, failed: 1, stop: 2 };

/** Begins to publish events `bench.event` with data `{n, at}`: a number from 0, and when it was to be published (open loop, `nowMs`). */
export function startFlow(options: FlowOptions): Flow {
  const seen = new Int32Array(new SharedArrayBuffer(3 * Int32Array.BYTES_PER_ELEMENT));
  const worker = new Worker(new URL(import.meta.url), { workerData: { options, seen } });
  const ended = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  return {
    get published() {
      return Atomics.load(seen, shared.published);
    },
    get failed() {
      return Atomics.load(seen, shared.failed);
    },
    stop() {
      Atomics.store(seen, shared.stop, 1);
      return ended;
    },
  };
}

function publish({ amqpUrl, exchange, eventsPerSecond }: FlowOptions, seen: Int32Array): void {
  const publisher = createPublisher({ amqpUrl, exchange });
  const began = nowMs();
  let published = 0;
  const timer = setInterval(() => {
    if (Atomics.load(seen, shared.stop) === 1) {
      clearInterval(timer);
      return void publisher.drain();
    }
    const due = Math.floor(((nowMs() - began) / 1000) * eventsPerSecond) + 1;
    const events = Array.from({ length: due - published }, (_, i) => {
      const n = published + i;
      return { type: "bench.event", source: "/bench", data: { n, at: began + (n * 1000) / eventsPerSecond, padding } };
    });
    published = due;
    Atomics.store(seen, shared.published, published);
    void publisher
      .publishAll(events)
      .then((outcomes) => Atomics.add(seen, shared.failed, outcomes.filter(({ kind }) => kind !== "ok").length));
    return undefined;
  }, tickMs);
}

if (!isMainThread) {
  const { options, seen } = workerData as { readonly options: FlowOptions; readonly seen: Int32Array };
  publish(options, seen);
}
