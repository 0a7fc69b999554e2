import { freePorts } from "@warren/test-servers";
import { startChild, type Child } from "../harness/child.ts";
import { spreadBy } from "../harness/rounds.ts";
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
  readonly #paced: Stage;
  readonly #full: Stage;

  private constructor(middle: Child, target: { readonly amqp: string; readonly queue: string; readonly straightUrl: string }) {
    this.#middle = middle;
    // Processes of its own for each: what the slow one taught the compiler would slow the other.
    this.#paced = new Stage({ client: "straight" }, target);
    this.#full = new Stage({ client: "straight" }, target);
  }

  static async open({ amqp, queue, url, segmentBytes }: StraightParts): Promise<StraightPath> {
    const [port = 0] = await freePorts(1);
    const middle = startChild(new URL("straight-process.ts", import.meta.url));
    const path = new StraightPath(middle, { amqp, queue, straightUrl: `http://127.0.0.1:${port}` });
    await middle.ask("start", { amqp, queue, url, port, segmentBytes });
    return path;
  }

  /** At a fixed rate. */
  latency(subscribers: number, seconds: number, warmSeconds: number): Promise<Latency> {
    return this.#paced.latency(subscribers, pacedPerSecond, seconds, warmSeconds);
  }

  /** As fast as it goes. */
  rate(subscribers: number, seconds: number): Promise<Throughput> {
    return this.#full.throughput(subscribers, seconds, 1);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#middle, this.#paced, this.#full].map((each) => each.stop()));
  }
}

/** Each percentile in the middle of several rounds, as those of the contestants: a disk that stops for a moment hits whoever is measured then. */
export function middleOf(rounds: readonly [Latency, ...Latency[]]): Latency {
  const median = (figure: (latency: Latency) => number): number => spreadBy(rounds, figure).median;
  return { ...rounds[0], p50: median(({ p50 }) => p50), p99: median(({ p99 }) => p99), max: Math.max(...rounds.map(({ max }) => max)) };
}
