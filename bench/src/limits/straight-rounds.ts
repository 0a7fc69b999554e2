import { startPostgres, startRabbitMq } from "@warren/test-servers";
import { settleMachine } from "../harness/settle.ts";
import { count, millis, spreadBy } from "../harness/rounds.ts";
import type { Latency, TurnTime, Throughput } from "../peers/measure.ts";
import type { RateLimit } from "./measure.ts";
import { StraightPath } from "./straight.ts";

/** What the straight path reached, medians of its rounds. */
export interface StraightLimits {
  /** By subscribers; of events, not of deliveries. */
  readonly straight: ReadonlyMap<number, RateLimit>;
  /** The same behind a sender of plain messages. */
  readonly foreign: ReadonlyMap<number, RateLimit>;
  /** At a fixed rate, by subscribers. */
  readonly straightLatency: ReadonlyMap<number, Latency>;
}

/** Events of one segment at most, in bytes: large ones are good for one subscriber, and outgrow the caches with ten. */
const segmentBytes = { large: 800 * 1024, small: 320 * 1024 } as const;

/** The straight path on servers of its own, as Warren has them, measured round by round, in turn with others: what the machine does meanwhile hits it as it hits them. */
export class StraightRounds {
  readonly #large: StraightPath;
  readonly #small: StraightPath;
  readonly #foreign: StraightPath;
  readonly #servers: readonly { stop(): Promise<void> }[];
  readonly #say: (line: string) => void;
  readonly #rates = new Map<number, Throughput[]>();
  readonly #foreigns = new Map<number, Throughput[]>();
  readonly #latencies = new Map<number, Latency[]>();

  private constructor(
    paths: readonly [StraightPath, StraightPath, StraightPath],
    servers: readonly { stop(): Promise<void> }[],
    say: (line: string) => void,
  ) {
    [this.#large, this.#small, this.#foreign] = paths;
    this.#servers = servers;
    this.#say = say;
  }

  /** Starts its servers. A RabbitMQ that it shared with quorum queues and streams needed 3.3 us for an event of it, one of its own 1.2 to 1.9. */
  static async open(say: (line: string) => void): Promise<StraightRounds> {
    const [rabbitMq, postgres] = await Promise.all([startRabbitMq(), startPostgres()]);
    const parts = { amqp: rabbitMq.url, url: postgres.url };
    const paths = await Promise.all([
      StraightPath.open({ ...parts, queue: "straight-large", segmentBytes: segmentBytes.large }),
      StraightPath.open({ ...parts, queue: "straight-small", segmentBytes: segmentBytes.small }),
      StraightPath.open({ ...parts, queue: "straight-foreign", segmentBytes: segmentBytes.small, foreign: true }),
    ]);
    return new StraightRounds(paths, [rabbitMq, postgres], say);
  }

  /** One round as fast as it goes; with one subscriber also behind a sender of plain messages. */
  async rate(subscribers: number, time: TurnTime): Promise<void> {
    await this.#measure(this.#rates, subscribers, subscribers === 1 ? this.#large : this.#small, time);
    if (subscribers === 1) await this.#measure(this.#foreigns, subscribers, this.#foreign, time);
  }

  /** One round at a fixed rate. */
  async latency(subscribers: number, time: TurnTime): Promise<void> {
    await settleMachine();
    const latency = await this.#small.latency(subscribers, time);
    this.#say(`the straight path to ${subscribers}: p50 ${millis(latency.p50)} ms, p99 ${millis(latency.p99)} ms`);
    add(this.#latencies, subscribers, latency);
  }

  get found(): StraightLimits {
    return {
      straight: mapValues(this.#rates, middleRate),
      foreign: mapValues(this.#foreigns, middleRate),
      straightLatency: mapValues(this.#latencies, middleLatency),
    };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#large, this.#small, this.#foreign].map((path) => path.stop()));
    await Promise.all(this.#servers.map((server) => server.stop()));
  }

  async #measure(found: Map<number, Throughput[]>, subscribers: number, path: StraightPath, time: TurnTime): Promise<void> {
    await settleMachine();
    const rate = await path.rate(subscribers, time);
    this.#say(`the straight path to ${subscribers}${path === this.#foreign ? ", plain messages" : ""}: ${count(rate.perSecond)}/s`);
    add(found, subscribers, rate);
  }
}

/** The median, as of the contestants; with the CPU of the last round, as theirs. */
export function middleRate(rounds: readonly Throughput[]): RateLimit {
  return { perSecond: spreadBy(rounds, ({ perSecond }) => perSecond).median, cpu: rounds.at(-1)?.cpu ?? {} };
}

/** Of several rounds each percentile in the middle, as those of the contestants: a disk that stops for a moment hits whoever is measured then. */
export function middleLatency(rounds: readonly Latency[]): Latency {
  const median = (figure: (latency: Latency) => number): number => spreadBy(rounds, figure).median;
  const middle = { p50: median(({ p50 }) => p50), p99: median(({ p99 }) => p99), max: Math.max(...rounds.map(({ max }) => max)) };
  return { count: 0, cpu: {}, ...rounds.at(-1), ...middle };
}

function add<Result>(found: Map<number, Result[]>, key: number, result: Result): void {
  const results = found.get(key) ?? [];
  results.push(result);
  found.set(key, results);
}

function mapValues<From, To>(from: ReadonlyMap<number, readonly From[]>, make: (values: readonly From[]) => To): ReadonlyMap<number, To> {
  return new Map([...from].map(([key, values]) => [key, make(values)]));
}
