import { startChild, type Child } from "../harness/child.ts";
import { machineMs } from "../harness/clock.ts";
import { cpuByRole, cpuPerEvent, type CpuSeconds } from "../harness/cpu.ts";
import type { Target, Topic } from "./client.ts";
import { clients } from "./clients/index.ts";
import type { ClientName } from "./clients/index.ts";
import { numberIn, Payloads, type PayloadKind } from "./payloads.ts";
import type { Published } from "./publisher-process.ts";
import type { Arrived } from "./subscriber-process.ts";

/** How fast events came to all subscribers. */
export interface Throughput {
  readonly events: number;
  /** Of events, not of deliveries: from the first publish to the last delivery. */
  readonly perSecond: number;
  /** Until the last confirm. */
  readonly publishedPerSecond: number;
  /** Microseconds for each event. */
  readonly cpu: CpuSeconds;
}

/** How fast a subscriber got what it had missed. */
export interface CatchUp {
  readonly missed: number;
  /** From the moment at which it opens. */
  readonly perSecond: number;
  readonly cpu: CpuSeconds;
}

/** How long events were under way. */
export interface Latency extends NonNullable<Arrived["latency"]> {
  readonly cpu: CpuSeconds;
}

/** How long events are published. */
export interface TurnTime {
  readonly seconds: number;
  /** Before that, each time. */
  readonly warmSeconds: number;
  /**
   * Before that, the first time: it takes the compiler of a language tens of thousands of events to come to rest, and all the while it is on the cores of others; and servers
   * that never wrote before have to make their files first.
   */
  readonly firstWarmSeconds: number;
}

/** Who is measured. */
export interface Measured {
  readonly client: ClientName;
  /** See `Contestant`. */
  readonly storesLater?: boolean;
}

/** Two processes, one that publishes and one of all subscribers, for the measurements of one contestant. */
export class Stage {
  readonly #contestant: Measured;
  readonly #target: Target;
  readonly #publisher: Child;
  readonly #subscribers: Child;
  #warm = false;
  static #topics = 0;

  constructor(contestant: Measured, target: Target) {
    this.#contestant = contestant;
    this.#target = target;
    this.#publisher = startChild(new URL("publisher-process.ts", import.meta.url));
    this.#subscribers = startChild(new URL("subscriber-process.ts", import.meta.url));
  }

  /** As fast as it goes, for about so many seconds after two warm-ups. */
  throughput(subscribers: number, time: TurnTime, payload: PayloadKind = 256): Promise<Throughput> {
    const { seconds, warmSeconds } = time;
    const warming = this.#warming(time);
    return this.#on(subscribers, payload, false, async () => {
      const first = await this.#publisher.ask<Published>("blast", { seconds: warming });
      await this.#arrive(first.count);
      // Only a process that is warm tells how many events fill the time.
      const warm = await this.#publisher.ask<Published>("blast", { seconds: warmSeconds });
      const sofar = first.count + warm.count;
      const { lastAtMs } = await this.#arrive(sofar);
      const count = Math.max(1_000, Math.ceil((warm.count / (lastAtMs - warm.firstAtMs)) * 1000 * seconds));
      const before = this.#cpu();
      const arriving = this.#arrive(sofar + count);
      const published = await this.#publisher.ask<Published>("blast", { count });
      const arrived = await arriving;
      return {
        events: count,
        perSecond: (count / (arrived.lastAtMs - published.firstAtMs)) * 1000,
        publishedPerSecond: count / published.seconds,
        cpu: cpuPerEvent(before, this.#cpu(), count),
      };
    });
  }

  /** One subscriber takes a few events, goes, misses many, and comes again. */
  catchUp(missed: number): Promise<CatchUp> {
    const few = 100;
    return this.#on(1, 256, false, async (topic) => {
      await this.#publisher.ask("blast", { count: few });
      await this.#arrive(few);
      await this.#subscribers.ask("close");
      const stored = this.#contestant.storesLater === true ? await this.#witness(topic, few + missed) : undefined;
      await this.#publisher.ask("blast", { count: missed });
      await stored?.();
      const before = this.#cpu();
      const opened = this.#open(topic, few, false);
      const { lastAtMs } = await this.#arrive(few + missed);
      return { missed, perSecond: (missed / (lastAtMs - (await opened))) * 1000, cpu: cpuPerEvent(before, this.#cpu(), missed) };
    });
  }

  /** At a fixed rate, from the time at which each event was due. */
  latency(subscribers: number, perSecond: number, time: TurnTime): Promise<Latency> {
    const { seconds } = time;
    const warming = this.#warming(time);
    return this.#on(subscribers, 256, true, async () => {
      const warm = await this.#publisher.ask<Published>("pace", { perSecond, seconds: warming });
      const before = this.#cpu();
      const { count } = await this.#publisher.ask<Published>("pace", { perSecond, seconds });
      const { latency } = await this.#arrive(warm.count + count, warm.count);
      if (latency === undefined) throw new Error("latencies were not kept");
      return { ...latency, cpu: cpuPerEvent(before, this.#cpu(), count) };
    });
  }

  async stop(): Promise<void> {
    await Promise.all([this.#publisher.stop(), this.#subscribers.stop()]);
  }

  #warming({ warmSeconds, firstWarmSeconds }: TurnTime): number {
    const warming = this.#warm ? warmSeconds : firstWarmSeconds;
    this.#warm = true;
    return warming;
  }

  async #on<Result>(
    subscribers: number,
    payload: PayloadKind,
    timed: boolean,
    measure: (topic: Topic) => Promise<Result>,
  ): Promise<Result> {
    Stage.#topics += 1;
    const name = `bench-${Stage.#topics}`;
    const eventBytes = new Payloads(payload).meanBytes;
    const topic = { name, eventBytes, subscribers: Array.from({ length: subscribers }, (_, i) => `${name}-s${i}`) };
    const where = { client: this.#contestant.client, target: this.#target, topic };
    await this.#subscribers.ask("create", where);
    await this.#open(topic, 0, timed);
    await this.#publisher.ask("open", { ...where, payload });
    const result = await measure(topic);
    await Promise.all([this.#publisher.ask("close"), this.#subscribers.ask("close")]);
    await this.#subscribers.ask("remove", where);
    return result;
  }

  /** Resolves with when it began to open. */
  #open(topic: Topic, next: number, timed: boolean): Promise<number> {
    return this.#subscribers.ask<number>("open", { client: this.#contestant.client, target: this.#target, topic, next, timed });
  }

  async #arrive(total: number, afterNumber = 0): Promise<Arrived> {
    try {
      return await this.#subscribers.ask<Arrived>("arrive", { total, afterNumber });
    } catch (error) {
      const state = await this.#subscribers.ask("state", {}, 5).catch(() => "it does not answer");
      throw new Error(`not every subscriber got ${total} events, in order, once: ${JSON.stringify(state)}`, { cause: error });
    }
  }

  #cpu(): CpuSeconds {
    return cpuByRole({ [this.#publisher.pid]: "publisher", [this.#subscribers.pid]: "subscribers" });
  }

  /** Watches the topic under another name; what it gives resolves when all has come: then it is stored. */
  async #witness({ name, eventBytes }: Topic, total: number): Promise<() => Promise<void>> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const take = (_: number, payload: Uint8Array): void => {
      if (numberIn(payload) + 1 === total) resolve();
    };
    const began = machineMs();
    const topic = { name, eventBytes, subscribers: [`${name}-witness-${Math.round(began)}`] };
    const client = await clients[this.#contestant.client]();
    const subscribers = await client.openSubscribers(this.#target, topic, take);
    return async () => {
      await promise;
      await subscribers.close();
    };
  }
}
