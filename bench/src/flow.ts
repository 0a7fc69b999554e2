import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createPublisher } from "@warren/client";
import { must } from "@warren/protocol";

/** What to publish, and how fast. */
export interface FlowOptions {
  readonly amqpUrl: string;
  readonly exchange: string;
  readonly eventsPerSecond: number;
}

/** What was published so far. */
interface Count {
  readonly published: number;
  readonly failed: number;
}

/** Publishes at a fixed rate, in a thread of its own, until stopped. */
export interface Flow {
  readonly count: Count;
  /** Resolves when the outcome of everything is known. */
  stop(): Promise<void>;
}

/** Milliseconds since 1970 by the monotonic clock: the same in every thread. */
export const nowMs = (): number => performance.timeOrigin + performance.now();

const tickMs = 5;
const tellMs = 100;
/** An event of about 256 bytes on the wire. */
const padding = "x".repeat(150);

/** Begins to publish events `bench.event` with data `{n, at}`: a number from 0, and when it was to be published (open loop, `nowMs`). */
export function startFlow(options: FlowOptions): Flow {
  const worker = new Worker(new URL(import.meta.url), { workerData: options });
  let count: Count = { published: 0, failed: 0 };
  worker.on("message", (told: Count) => (count = told));
  const ended = new Promise<void>((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", () => resolve());
  });
  return {
    get count() {
      return count;
    },
    stop() {
      worker.postMessage("stop");
      return ended;
    },
  };
}

function publish({ amqpUrl, exchange, eventsPerSecond }: FlowOptions): void {
  const port = must(parentPort, "a worker has a parent");
  const publisher = createPublisher({ amqpUrl, exchange });
  const began = nowMs();
  let published = 0;
  let failed = 0;
  const tell = (): void => port.postMessage({ published, failed } satisfies Count);
  const tick = (): void => {
    const due = Math.floor(((nowMs() - began) / 1000) * eventsPerSecond);
    const events = Array.from({ length: due - published }, (_, i) => {
      const n = published + i;
      return { type: "bench.event", source: "/bench", data: { n, at: began + (n * 1000) / eventsPerSecond, padding } };
    });
    published = due;
    void publisher.publishAll(events).then((outcomes) => (failed += outcomes.filter(({ kind }) => kind !== "ok").length));
  };
  const timers = [setInterval(tick, tickMs), setInterval(tell, tellMs)];
  port.once("message", () => {
    for (const timer of timers) clearInterval(timer);
    void publisher.drain().then(tell);
  });
}

if (!isMainThread) publish(workerData as FlowOptions);
