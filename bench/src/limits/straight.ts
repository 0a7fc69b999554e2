import { freePorts } from "@warren/test-servers";
import { startChild, type Child } from "../harness/child.ts";
import { spreadBy } from "../harness/rounds.ts";
import type { Target } from "../peers/client.ts";
import { Stage, type Latency, type Throughput } from "../peers/measure.ts";
import { pacedPerSecond } from "../peers/plan.ts";

/** RabbitMQ, a queue of it that was not used before, and PostgreSQL. */
export interface StraightParts {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  /** Events of one segment at most: large ones are good for one subscriber, and outgrow the caches with ten. */
  readonly segmentBytes: number;
}

/** The straight path, to be measured: all it needs shares the cores, and every subscriber gets every event, in order, once. */
export class StraightPath {
  readonly #middle: Child;
  readonly #target: Target;
  // Processes of its own for each: what the slow one taught the compiler would slow the other.
  #paced: Stage | undefined;
  #full: Stage | undefined;

  private constructor(middle: Child, target: Target) {
    this.#middle = middle;
    this.#target = target;
  }

  static async open({ amqp, queue, url, segmentBytes }: StraightParts): Promise<StraightPath> {
    const [port = 0] = await freePorts(1);
    const middle = startChild(new URL("straight-process.ts", import.meta.url));
    await middle.ask("start", { amqp, queue, url, port, segmentBytes });
    return new StraightPath(middle, { amqp, queue, straightUrl: `http://127.0.0.1:${port}` });
  }

  /** At a fixed rate. */
  latency(subscribers: number, seconds: number, warmSeconds: number): Promise<Latency> {
    this.#paced ??= this.#stage();
    return this.#paced.latency(subscribers, pacedPerSecond, seconds, warmSeconds);
  }

  /** As fast as it goes. */
  rate(subscribers: number, seconds: number): Promise<Throughput> {
    this.#full ??= this.#stage();
    return this.#full.throughput(subscribers, seconds, 1);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#middle, this.#paced, this.#full].map(async (each) => each?.stop()));
  }

  #stage(): Stage {
    return new Stage({ client: "straight" }, this.#target);
  }
}

/**
 * Of latencies of several rounds, by subscribers, each percentile in the middle, as those of the contestants: a disk that stops for a moment hits whoever is measured
 * then.
 */
export function middleOf(rounds: readonly ReadonlyMap<number, Latency>[]): ReadonlyMap<number, Latency> {
  const keys = new Set(rounds.flatMap((round) => [...round.keys()]));
  return new Map(
    [...keys].map((key) => {
      const all = rounds.flatMap((round) => round.get(key) ?? []);
      const median = (figure: (latency: Latency) => number): number => spreadBy(all, figure).median;
      const middle = { p50: median(({ p50 }) => p50), p99: median(({ p99 }) => p99), max: Math.max(...all.map(({ max }) => max)) };
      return [key, { count: 0, cpu: {}, ...all[0], ...middle }];
    }),
  );
}
