import { freePorts } from "@warren/test-servers";
import { startChild } from "../harness/child.ts";
import type { ScenarioOptions } from "../harness/report.ts";
import { Stage, type Latency, type Throughput } from "../peers/measure.ts";
import { pacedPerSecond } from "../peers/plan.ts";

/** What the straight path reaches, by subscribers. */
export interface StraightPath {
  readonly rates: ReadonlyMap<number, Throughput>;
  /** At a fixed rate. */
  readonly latencies: ReadonlyMap<number, Latency>;
}

/** RabbitMQ, a queue of it that was not used before, and PostgreSQL. */
export interface StraightParts {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  /** Events of one segment at most: large ones are good for one subscriber, and outgrow the caches with ten. */
  readonly segmentBytes: number;
}

/** Measures the straight path: all it needs shares the cores, and every subscriber gets every event, in order, once. */
export async function measureStraightPath(
  { amqp, queue, url, segmentBytes }: StraightParts,
  subscribers: readonly number[],
  { quick, say }: ScenarioOptions,
): Promise<StraightPath> {
  const [port = 0] = await freePorts(1);
  const middle = startChild(new URL("straight-process.ts", import.meta.url));
  const target = { amqp, queue, straightUrl: `http://127.0.0.1:${port}` };
  // Processes of its own for each: what the slow one taught the compiler would slow the other.
  const stages = [new Stage({ client: "straight" }, target), new Stage({ client: "straight" }, target)] as const;
  const [paced, full] = stages;
  const [rates, latencies] = [new Map<number, Throughput>(), new Map<number, Latency>()];
  const seconds = quick ? 2 : 3;
  try {
    await middle.ask("start", { amqp, queue, url, port, segmentBytes });
    // First: the disk is still busy with what full speed has written when that is over.
    for (const count of subscribers) {
      const latency = await paced.latency(count, pacedPerSecond, seconds, 1);
      latencies.set(count, latency);
      say(`limit: the straight path to ${count} subscribers: p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`);
    }
    for (const count of subscribers) {
      const rate = await full.throughput(count, seconds, 1);
      rates.set(count, rate);
      say(`limit: the straight path to ${count} subscribers: ${Math.round(rate.perSecond).toLocaleString("en")} events/s`);
    }
    return { rates, latencies };
  } finally {
    await Promise.all([middle, ...stages].map((each) => each.stop()));
  }
}
