import { freePorts, startPostgres } from "@warren/test-servers";
import { startChild, type Child } from "../harness/child.ts";
import { cpuByRole, cpuPerEvent, type CpuSeconds } from "../harness/cpu.ts";
import type { ScenarioOptions } from "../harness/report.ts";
import type { Latency } from "../peers/measure.ts";
import { packOf, segmentOf } from "./events.ts";
import { middleOf, StraightPath } from "./straight.ts";

/** A rate that nothing built on these parts can pass on this machine. */
export interface RateLimit {
  readonly perSecond: number;
  readonly cpu: CpuSeconds;
}

/** What was measured, by what varies. */
export interface Limits {
  /** By events in a pack. */
  readonly packs: ReadonlyMap<number, RateLimit>;
  /** By events in a segment. */
  readonly appends: ReadonlyMap<number, RateLimit>;
  /** By clients; deliveries are so many times more. */
  readonly streams: ReadonlyMap<number, RateLimit>;
  /** The whole job, by subscribers; of events, not of deliveries. */
  readonly straight: ReadonlyMap<number, RateLimit>;
  /** The same at a fixed rate, by subscribers. */
  readonly straightLatency: ReadonlyMap<number, Latency>;
}

const inPack = [1, 50, 200];
const inSegment = [500, 2_000];
const subscribers = [1, 10];
const passes = 3;
/** Of the straight path, in turn: about 1,000 and 2,500 events of 256 bytes. */
const segmentBytes = [320 * 1024, 800 * 1024] as const;

/**
 * Measures all limits on a RabbitMQ at hand and a PostgreSQL of its own, several times unless it is to be quick. Of rates the best counts, what was reached once is
 * possible; of latencies the median. `latencies`: those of the straight path, when they are known already.
 */
export async function measureLimits(
  amqp: string,
  options: ScenarioOptions & { readonly latencies?: Limits["straightLatency"] | undefined },
): Promise<Limits> {
  const postgres = await startPostgres();
  const latencies: ReadonlyMap<number, Latency>[] = [];
  let best: Rates | undefined;
  try {
    for (let pass = 0; pass < (options.quick ? 1 : passes); pass += 1) {
      const where = { amqp, url: postgres.url, queue: `limit-straight-${pass}`, segmentBytes: segmentBytes[pass % 2 === 0 ? 0 : 1] };
      const path = await StraightPath.open(where);
      try {
        // First: the disk is still busy with what full speed has written when that is over.
        if (options.latencies === undefined) latencies.push(await each(subscribers, (count) => measureLatency(path, count, options)));
        best = better(await measureRates(path, where, options), best);
      } finally {
        await path.stop();
      }
    }
  } finally {
    await postgres.stop();
  }
  if (best === undefined) throw new Error("there is at least one pass");
  return { ...best, straightLatency: options.latencies ?? middleOf(latencies) };
}

async function measureLatency(path: StraightPath, count: number, { quick, say }: ScenarioOptions): Promise<Latency> {
  const latency = await path.latency(count, quick ? 2 : 5, 1);
  say(`limit: the straight path to ${count} subscribers: p50 ${latency.p50.toFixed(1)} ms, p99 ${latency.p99.toFixed(1)} ms`);
  return latency;
}

type Rates = Omit<Limits, "straightLatency">;

function better(a: Rates, b: Rates | undefined): Rates {
  if (b === undefined) return a;
  const faster = (of: ReadonlyMap<number, RateLimit>, or: ReadonlyMap<number, RateLimit>) =>
    new Map(
      [...of].map(([key, one]) => {
        const other = or.get(key);
        return [key, other !== undefined && other.perSecond > one.perSecond ? other : one] as const;
      }),
    );
  return {
    packs: faster(a.packs, b.packs),
    appends: faster(a.appends, b.appends),
    streams: faster(a.streams, b.streams),
    straight: faster(a.straight, b.straight),
  };
}

async function measureRates(
  path: StraightPath,
  { amqp, url }: { readonly amqp: string; readonly url: string },
  { quick, say }: ScenarioOptions,
): Promise<Rates> {
  const seconds = quick ? 1.2 : 3;
  const tell = (what: string, { perSecond }: RateLimit): void =>
    say(`limit: ${what}: ${Math.round(perSecond).toLocaleString("en")} events/s`);
  const straight = await each(subscribers, async (count) => {
    const limit = await path.rate(count, quick ? 2 : 3);
    tell(`the straight path to ${count} subscribers`, limit);
    return limit;
  });
  const packs = await each(inPack, async (events) => {
    const limit = await measurePacks(amqp, events, seconds);
    tell(`packs of ${events} through RabbitMQ`, limit);
    return limit;
  });
  const appends = await each(inSegment, async (events) => {
    const limit = await measureAppends(url, events, seconds);
    tell(`segments of ${events} into PostgreSQL`, limit);
    return limit;
  });
  const streams = await each(subscribers, async (clients) => {
    const limit = await measureStreams(clients, quick ? 500_000 : 2_000_000);
    tell(`HTTP/2 to ${clients} clients`, limit);
    return limit;
  });
  return { packs, appends, streams, straight };
}

async function each<Result>(keys: readonly number[], measure: (key: number) => Promise<Result>): Promise<ReadonlyMap<number, Result>> {
  const results = new Map<number, Result>();
  for (const key of keys) results.set(key, await measure(key));
  return results;
}

async function withChildren<Result>(
  file: string,
  roles: readonly string[],
  use: (children: readonly Child[], cpu: () => CpuSeconds) => Promise<Result>,
): Promise<Result> {
  const children = roles.map(() => startChild(new URL(file, import.meta.url)));
  const named = Object.fromEntries(children.map(({ pid }, index) => [pid, roles[index] ?? ""]));
  try {
    return await use(children, () => cpuByRole(named));
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** One publisher and one consumer that only confirm and ack; messages are counted out so that it takes about so many seconds. */
function measurePacks(amqp: string, events: number, seconds: number): Promise<RateLimit> {
  const { body, count } = packOf(events);
  const where = { amqp, queue: `limit-packs-${events}` };
  return withChildren("packs-process.ts", ["publisher", "consumer"], async ([publisher, consumer], cpu) => {
    if (publisher === undefined || consumer === undefined) throw new Error("two processes were started");
    await publisher.ask("create", where);
    const round = async (messages: number): Promise<number> => {
      const consuming = consumer.ask<number>("consume", { ...where, messages });
      const firstAtMs = await publisher.ask<number>("publish", { ...where, body, messages });
      return messages / (((await consuming) - firstAtMs) / 1000);
    };
    const warm = await round(2_000);
    const messages = Math.ceil(warm * seconds);
    const before = cpu();
    const perSecond = await round(messages);
    return { perSecond: perSecond * count, cpu: cpuPerEvent(before, cpu(), messages * count) };
  });
}

function measureAppends(url: string, events: number, seconds: number): Promise<RateLimit> {
  return withChildren("append-process.ts", ["writer"], async ([writer], cpu) => {
    if (writer === undefined) throw new Error("a process was started");
    const body = segmentOf(events);
    await writer.ask("create", { url });
    await writer.ask("append", { url, events, body, seconds: 0.3 });
    await writer.ask("create", { url });
    const before = cpu();
    const { stored, seconds: took } = await writer.ask<{ readonly stored: number; readonly seconds: number }>("append", {
      url,
      events,
      body,
      seconds,
    });
    return { perSecond: stored / took, cpu: cpuPerEvent(before, cpu(), stored) };
  });
}

function measureStreams(clients: number, deliveries: number): Promise<RateLimit> {
  return withChildren("http2-process.ts", ["server", "clients"], async ([server, client], cpu) => {
    if (server === undefined || client === undefined) throw new Error("two processes were started");
    const inFrame = 200;
    const { body, count } = packOf(inFrame);
    const [port] = await freePorts(1);
    const times = Math.ceil(deliveries / clients / count);
    await server.ask("serve", { port, body, times });
    const read = { port, clients, bytes: body.length * times };
    await client.ask("read", read);
    const before = cpu();
    const took = await client.ask<number>("read", read);
    const events = times * count;
    return { perSecond: events / took, cpu: cpuPerEvent(before, cpu(), events) };
  });
}
