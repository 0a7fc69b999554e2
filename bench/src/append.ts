import { eventKey } from "@warren/event-store";
import { must, type EventSlice } from "@warren/protocol";
import { startPostgres } from "@warren/test-servers";
import { sql } from "kysely";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, ratioOf, shown, spreadBy, takeTurns, type Spread } from "./harness/rounds.ts";
import { openBenchDatabase, openLogSchema, postgresPid, schemaBytes, steadyFlags, walBytes } from "./parts/bench-log.ts";
import { makeSlices, type IdKind } from "./parts/made-events.ts";
import { watchCpu } from "./parts/processes.ts";

/*
 * EventLog.append on a real PostgreSQL with durable commits, one append after the other as a receiver does it, against the usual alternative: a row for each event
 * with a unique id. The same bytes, the same batches, one statement for each batch, the same server. What is stored before (nothing, or some million events) has ids
 * of the same kind as what is appended.
 */

const batches = [100, 500, 1_000] as const;
const goal = { bytes: 0.5 };
const eventBytes = 256;

interface Figures {
  readonly perSecond: number;
  readonly walPerEvent: number;
  readonly tablePerEvent: number;
  readonly nodeUsPerEvent: number;
  readonly serverUsPerEvent: number;
}

/** One way to store batches of events. */
interface Contestant {
  readonly database: ReturnType<typeof openBenchDatabase>;
  readonly append: (events: readonly EventSlice[]) => Promise<unknown>;
  readonly close: () => Promise<void>;
}

type Name = "segments" | "rows";

async function openSegments(url: string, schema: string): Promise<Contestant> {
  const opened = await openLogSchema(url, schema);
  const writer = await opened.writer(1n);
  return { database: opened.database, append: (events) => writer.append(events), close: () => opened.close() };
}

/** A row for each event: dense offsets, its id unique. Arrays as text, as the driver sends them. */
async function openRows(url: string, schema: string): Promise<Contestant> {
  const database = openBenchDatabase(url, schema);
  const { db } = database;
  const table = sql.id(schema, "events");
  await sql`create schema ${sql.id(schema)}`.execute(db);
  await sql`create table ${table} (receiver_id bigint not null, event_offset bigint not null, event_key uuid not null, recorded_at timestamptz not null,
    payload bytea not null, primary key (receiver_id, event_offset), unique (receiver_id, event_key))`.execute(db);
  let head = 0;
  return {
    database,
    async append(events) {
      const keys = events.map(({ source, id }) => eventKey(source, id));
      const payloads = events.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
      await sql`insert into ${table} select 1, ${head}::bigint + e.place, e.key, clock_timestamp(), e.payload
        from unnest(${keys}::uuid[], ${payloads}::bytea[]) with ordinality as e(key, payload, place)`.execute(db);
      head += events.length;
    },
    close: () => database.close(),
  };
}

/** Appends events that are there already cut into batches. */
async function measure(contestant: Contestant, parts: readonly (readonly EventSlice[])[], serverPid: number): Promise<Figures> {
  const { database } = contestant;
  const events = parts.reduce((sum, part) => sum + part.length, 0);
  const [wal, table, cpu] = [await walBytes(database), await schemaBytes(database), watchCpu({ server: serverPid })];
  const node = process.cpuUsage();
  const began = performance.now();
  for (const part of parts) await contestant.append(part);
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(node);
  return {
    perSecond: events / seconds,
    nodeUsPerEvent: (used.user + used.system) / events,
    serverUsPerEvent: cpu.since().server / events,
    walPerEvent: ((await walBytes(database)) - wal) / events,
    tablePerEvent: ((await schemaBytes(database)) - table) / events,
  };
}

/** Cuts events into batches. */
const cut = (events: readonly EventSlice[], size: number): readonly (readonly EventSlice[])[] =>
  Array.from({ length: Math.ceil(events.length / size) }, (_, i) => events.slice(i * size, (i + 1) * size));

/** Stores so many small events, quickly: only their keys matter. */
async function fill(contestant: Contestant, events: number, ids: IdKind): Promise<void> {
  const step = 10_000;
  for (let done = 0; done < events; done += step) for (const part of cut(makeSlices(step, 0, ids), 1_000)) await contestant.append(part);
}

/** Rate, CPU, WAL and table bytes of segments against rows. */
export async function append({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 3 : 5;
  const eventsPerRound = quick ? 20_000 : 100_000;
  const prefill = quick ? 200_000 : 4_000_000;
  const cases = [
    ...batches.map((batch) => ({ batch, before: 0, ids: "uuidv7" as const })),
    { batch: 500, before: prefill, ids: "uuidv7" as const },
    { batch: 500, before: prefill, ids: "random" as const },
  ];
  const postgres = await startPostgres({ postgresFlags: steadyFlags });
  const pid = postgresPid(postgres.url);
  const measured: { readonly what: string; readonly results: Readonly<Record<Name, readonly Figures[]>> }[] = [];
  try {
    for (const [index, { batch, before, ids }] of cases.entries()) {
      const what = `batches of ${batch}, ${ids} ids, ${before === 0 ? "empty log" : `${count(before)} events before`}`;
      say(what);
      const contestants: Record<Name, Contestant> = {
        segments: await openSegments(postgres.url, `bench_segments_${index}`),
        rows: await openRows(postgres.url, `bench_rows_${index}`),
      };
      for (const contestant of Object.values(contestants)) {
        await fill(contestant, before, ids);
        // Plans, and pages that are new to the server.
        await measure(contestant, cut(makeSlices(5_000, eventBytes, ids), batch), pid);
      }
      const results = await takeTurns(["segments", "rows"] as const, rounds, (name) =>
        measure(contestants[name], cut(makeSlices(eventsPerRound, eventBytes, ids), batch), pid),
      );
      measured.push({ what, results });
      for (const { database, close } of Object.values(contestants)) {
        await sql`drop schema ${sql.id(database.schema)} cascade`.execute(database.db);
        await close();
      }
    }
  } finally {
    await postgres.stop();
  }
  return toReport(measured, rounds, eventsPerRound);
}

function toReport(
  measured: readonly { readonly what: string; readonly results: Readonly<Record<Name, readonly Figures[]>> }[],
  rounds: number,
  eventsPerRound: number,
): Report {
  const of = (results: readonly Figures[], key: keyof Figures): Spread => spreadBy(results, (figures) => figures[key]);
  const bytes = (results: readonly Figures[]): Spread => spreadBy(results, ({ walPerEvent, tablePerEvent }) => walPerEvent + tablePerEvent);
  const us = (value: number): string => value.toFixed(1);
  const rows = measured.flatMap(({ what, results }) =>
    (["segments", "rows"] as const).map((name) => {
      const each = results[name];
      return [
        what,
        name,
        shown(of(each, "perSecond")),
        us(of(each, "nodeUsPerEvent").median),
        us(of(each, "serverUsPerEvent").median),
        count(of(each, "walPerEvent").median),
        count(of(each, "tablePerEvent").median),
      ];
    }),
  );
  const ratios = Object.fromEntries(
    measured.flatMap(({ what, results: { segments, rows: each } }) => [
      [`events/s, ${what}`, ratioOf(of(segments, "perSecond"), of(each, "perSecond"))],
      [`bytes, ${what}`, ratioOf(bytes(segments), bytes(each))],
    ]),
  );
  const worst = Math.max(...measured.map(({ what }) => must(ratios[`bytes, ${what}`], "measured")));
  return {
    title: `Append: segments with unique keys against a row for each event (${eventBytes} B events, durable commits)`,
    columns: ["case", "stored as", "events/s", "node us/event", "server us/event", "WAL B/event", "table B/event"],
    rows,
    ratios: { ...ratios, "bytes, worst case": worst },
    goals: [
      {
        measure: "WAL and table bytes per event, worst case",
        against: "row per event with a unique id",
        ratio: worst,
        goal: goal.bytes,
        better: "less",
      },
    ],
    notes: [
      `${rounds} rounds of ${count(eventsPerRound)} events each, taking turns; one connection, one append at a time. Table bytes with indexes. No checkpoint falls into a round.`,
    ],
    charts: [
      {
        title: "Append, events/s",
        unit: "events/s",
        series: ["segments", "rows"],
        groups: measured.map(({ what, results }) => ({
          name: what,
          values: [of(results.segments, "perSecond").median, of(results.rows, "perSecond").median],
        })),
      },
    ],
    raw: measured,
    right: worst <= goal.bytes,
  };
}
