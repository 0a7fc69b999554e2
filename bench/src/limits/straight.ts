import { freePorts } from "@warren/test-servers";
import { startChild, type Child } from "../harness/child.ts";
import type { Target } from "../peers/client.ts";
import { Stage, type Latency, type TurnTime, type Throughput } from "../peers/measure.ts";
import { pacedPerSecond } from "../peers/plan.ts";

/** RabbitMQ, a queue of it that was not used before, and PostgreSQL. */
export interface StraightParts {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  /** Bytes of events of one segment at most. */
  readonly segmentBytes: number;
  /** Plain messages of a sender that knows nothing of it. */
  readonly foreign?: boolean;
}

/** The straight path, to be measured: all it needs shares the cores, and every subscriber gets every event, in order, once. */
export class StraightPath {
  readonly #middle: Child;
  readonly #target: Target;
  readonly #client: "straight" | "straightForeign";
  // As contestants have it.
  #paced: Stage | undefined;
  #full: Stage | undefined;

  private constructor(middle: Child, target: Target, foreign: boolean) {
    this.#middle = middle;
    this.#target = target;
    this.#client = foreign ? "straightForeign" : "straight";
  }

  static async open({ amqp, queue, url, segmentBytes, foreign = false }: StraightParts): Promise<StraightPath> {
    const [port = 0] = await freePorts(1);
    const middle = startChild(new URL("straight-process.ts", import.meta.url));
    await middle.ask("start", { amqp, queue, url, port, segmentBytes, foreign });
    return new StraightPath(middle, { amqp, queue, straightUrl: `http://127.0.0.1:${port}` }, foreign);
  }

  /** At a fixed rate. */
  latency(subscribers: number, time: TurnTime): Promise<Latency> {
    this.#paced ??= this.#stage();
    return this.#paced.latency(subscribers, pacedPerSecond, time);
  }

  /** As fast as it goes. */
  rate(subscribers: number, time: TurnTime): Promise<Throughput> {
    this.#full ??= this.#stage();
    return this.#full.throughput(subscribers, time);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#middle, this.#paced, this.#full].map(async (each) => each?.stop()));
  }

  #stage(): Stage {
    return new Stage({ client: this.#client }, this.#target);
  }
}
