import { freePorts, startPostgres } from "@warren/test-servers";
import { startChild, type Child } from "../harness/child.ts";
import { cpuByRole, cpuPerEvent, type CpuSeconds } from "../harness/cpu.ts";
import type { ScenarioOptions } from "../harness/report.ts";
import { packOf, segmentOf } from "./events.ts";
import { StraightRounds, type StraightLimits } from "./straight-rounds.ts";

/** A rate that nothing built on these parts can pass on this machine. */
export interface RateLimit {
  readonly perSecond: number;
  readonly cpu: CpuSeconds;
}

/** What was measured, by what varies. */
export interface Limits extends StraightLimits {
  /** By events in a pack. */
  readonly packs: ReadonlyMap<number, RateLimit>;
  /** By events in a segment. */
  readonly appends: ReadonlyMap<number, RateLimit>;
  /** By clients; deliveries are so many times more. */
  readonly streams: ReadonlyMap<number, RateLimit>;
}

const inPack = [1, 50, 200];
const inSegment = [500, 2_000];
const subscribers = [1, 10];
const passes = 3;

/**
 * Measures all limits, parts on a RabbitMQ at hand and a PostgreSQL of their own, several times unless it is to be quick. Of the parts the best counts, what was reached once is
 * possible; of the straight path the median. `straight`: what it reached, when that is known already.
 */
export async function measureLimits(
  amqp: string,
  { straight, ...options }: ScenarioOptions & { readonly straight?: StraightLimits | undefined },
): Promise<Limits> {
  const [postgres, rounds] = await Promise.all([startPostgres(), straight === undefined ? StraightRounds.open(options.say) : undefined]);
  let best: Parts | undefined;
  try {
    for (let pass = 0; pass < (options.quick ? 1 : passes); pass += 1) {
      if (rounds !== undefined) await measureStraight(rounds, options);
      best = better(await measureParts(amqp, postgres.url, options), best);
    }
  } finally {
    await Promise.all([rounds?.stop(), postgres.stop()]);
  }
  const found = straight ?? rounds?.found;
  if (best === undefined || found === undefined) throw new Error("there is at least one pass");
  return { ...best, ...found };
}

async function measureStraight(rounds: StraightRounds, { quick }: ScenarioOptions): Promise<void> {
  for (const count of subscribers)
    await rounds.latency(count, { seconds: quick ? 2 : 5, warmSeconds: 1, firstWarmSeconds: quick ? 1 : 10 });
  for (const count of subscribers) await rounds.rate(count, { seconds: quick ? 2 : 3, warmSeconds: 1, firstWarmSeconds: quick ? 1 : 6 });
}

type Parts = Omit<Limits, keyof StraightLimits>;

function better(a: Parts, b: Parts | undefined): Parts {
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
  };
}

async function measureParts(amqp: string, url: string, { quick, say }: ScenarioOptions): Promise<Parts> {
  const seconds = quick ? 1.2 : 3;
  const tell = (what: string, { perSecond }: RateLimit): void =>
    say(`limit: ${what}: ${Math.round(perSecond).toLocaleString("en")} events/s`);
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
  return { packs, appends, streams };
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
