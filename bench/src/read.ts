import { lastOffsetOf, must } from "@warren/protocol";
import { startPostgres } from "@warren/test-servers";
import { sql } from "kysely";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, ratioOf, shown, spreadBy, takeTurns, type Spread } from "./harness/rounds.ts";
import { openBenchDatabase, openLogSchema, postgresPid, steadyFlags } from "./parts/bench-log.ts";
import { makeSlices } from "./parts/made-events.ts";
import { watchCpu } from "./parts/processes.ts";

/*
 * Reading for catch-up: a whole log in pages, as a broker reads it for one consumer, from segments of 500 events and from segments of 1 to 5 (what a log holds that
 * grew slowly), against pages of rows. A page has at most 500 events or 1 MiB; the next is asked for when the last one is there. `warm`: PostgreSQL has it in memory.
 */

const eventBytes = 256;
const page = { maxEvents: 500, maxBytes: 1024 * 1024 };

interface Figures {
  readonly perSecond: number;
  readonly nodeUs: number;
  readonly serverUs: number;
}

/** Reads everything once; answers how many events came. */
type ReadAll = () => Promise<number>;

/** Rate and CPU of catch-up pages. */
export async function read({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 3 : 7;
  const events = quick ? 100_000 : 1_000_000;
  const small = quick ? 10_000 : 100_000;
  const postgres = await startPostgres({ postgresFlags: steadyFlags });
  const pid = postgresPid(postgres.url);
  const schema = await openLogSchema(postgres.url, "bench_segments");
  const { log } = schema;
  const rows = openBenchDatabase(postgres.url, "bench_rows");

  /** Fills the log of a receiver; answers how to read it. */
  async function fill(receiverId: bigint, size: number, segment: (n: number) => number): Promise<ReadAll> {
    const writer = await schema.writer(receiverId);
    for (let n = 0; writer.head < size; n += 1) await writer.append(makeSlices(segment(n), eventBytes));
    return async () => {
      let seen = 0;
      for (let after = 0n; after < writer.head;) {
        const chunk = await log.read({ receiverId, afterOffset: after, ...page });
        if (chunk.kind !== "segments") throw new Error(chunk.kind);
        for (const each of chunk.segments) seen += each.count;
        after = lastOffsetOf(must(chunk.segments.at(-1), "a chunk has a segment"));
      }
      return seen;
    };
  }

  try {
    say(`filling: ${count(events)} events in segments of 500, ${count(small)} in segments of 1 to 5, ${count(events)} rows`);
    const readers: Record<Name, ReadAll> = {
      "segments of 500": await fill(1n, events, () => 500),
      "segments of 1 to 5": await fill(2n, small, (n) => 1 + (n % 5)),
      rows: await fillRows(rows, events),
    };
    for (const { database } of [schema, { database: rows }]) await sql`vacuum analyze`.execute(database.db);
    for (const name of names) await readers[name]();
    say("reading");
    const results = await takeTurns(names, rounds, async (name): Promise<Figures> => {
      const [cpu, node, began] = [watchCpu({ server: pid }), process.cpuUsage(), performance.now()];
      const seen = await readers[name]();
      const seconds = (performance.now() - began) / 1000;
      const used = process.cpuUsage(node);
      return { perSecond: seen / seconds, nodeUs: (used.user + used.system) / seen, serverUs: cpu.since().server / seen };
    });
    return toReport(results, rounds, events);
  } finally {
    await Promise.all([schema.close(), rows.close()]);
    await postgres.stop();
  }
}

const names = ["segments of 500", "segments of 1 to 5", "rows"] as const;
type Name = (typeof names)[number];

/** A row for each event, read by key in pages, as the driver gives them. */
async function fillRows({ db, schema }: ReturnType<typeof openBenchDatabase>, size: number): Promise<ReadAll> {
  const table = sql.id(schema, "events");
  await sql`create schema ${sql.id(schema)}`.execute(db);
  await sql`create table ${table} (receiver_id bigint not null, event_offset bigint not null, recorded_at timestamptz not null, payload bytea not null,
    primary key (receiver_id, event_offset))`.execute(db);
  const step = 1_000;
  for (let head = 0; head < size; head += step) {
    const payloads = makeSlices(step, eventBytes).map(({ bytes }) => Buffer.from(bytes));
    await sql`insert into ${table} select 1, ${head}::bigint + e.place, clock_timestamp(), e.payload
      from unnest(${payloads}::bytea[]) with ordinality as e(payload, place)`.execute(db);
  }
  return async () => {
    let seen = 0;
    for (;;) {
      const { rows } = await sql<{ event_offset: bigint; payload: Buffer }>`
        select event_offset, recorded_at, payload from ${table} where receiver_id = 1 and event_offset > ${seen}::bigint
        order by event_offset limit ${page.maxEvents}::int`.execute(db);
      if (rows.length === 0) return seen;
      seen += rows.length;
    }
  };
}

function toReport(results: Readonly<Record<Name, readonly Figures[]>>, rounds: number, events: number): Report {
  const of = (name: Name, key: keyof Figures): Spread => spreadBy(results[name], (figures) => figures[key]);
  const rate = (name: Name): Spread => of(name, "perSecond");
  return {
    title: `Read: a whole log in pages of 500 events, ${count(events)} events of ${eventBytes} B`,
    columns: ["stored as", "events/s", "node us/event", "server us/event"],
    rows: names.map((name) => [name, shown(rate(name)), of(name, "nodeUs").median.toFixed(2), of(name, "serverUs").median.toFixed(2)]),
    ratios: {
      "segments of 500 / rows": ratioOf(rate("segments of 500"), rate("rows")),
      "segments of 1 to 5 / rows": ratioOf(rate("segments of 1 to 5"), rate("rows")),
    },
    notes: [`${rounds} rounds, taking turns; one reader; all of it in PostgreSQL's memory or the system's.`],
    charts: [
      {
        title: "Read for catch-up, events/s",
        unit: "events/s",
        series: ["events/s"],
        groups: names.map((name) => ({ name, values: [rate(name).median] })),
      },
    ],
    raw: results,
    right: true,
  };
}
