import { createPostgresEventLog, migrateEventLog, type EventLog } from "@warren/event-store";
import { openDatabase, type Database } from "@warren/postgres";
import { encodeEvent, lastOffsetOf, must, silentLogger, toEvent, type EventSlice } from "@warren/protocol";
import { startPostgres } from "@warren/test-servers";
import { sql } from "kysely";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { ratioOf, shown, spreadBy, takeTurns } from "./harness/rounds.ts";

/*
 * One table for the logs of all receivers, or a table for each? Both are the shipped code: one table is what is shipped, with its partitions; a table for each is a
 * schema for each receiver, without. Layouts take turns in one run; only ratios within a run mean anything.
 */

const eventsPerBatch = 100;
const batchesInAll = 400;
const receiverCounts = [1, 10, 100] as const;

interface Layout {
  readonly name: string;
  /** The log of receiver i. */
  logOf(index: number): EventLog;
  readonly databases: readonly Database<unknown>[];
}

interface Figures {
  readonly appended: number;
  readonly read: number;
  readonly bytes: number;
}

let made = 0;

function events(batch: number, round: string): readonly EventSlice[] {
  return Array.from({ length: eventsPerBatch }, (_, i) =>
    encodeEvent(
      toEvent(
        { type: "bench.event", source: "/bench", data: { batch, i, text: "x".repeat(160) } },
        { id: `${round}-${batch}-${i}`, now: new Date() },
      ),
    ),
  );
}

async function open(url: string, receivers: number, each: boolean): Promise<Layout> {
  made += 1;
  const databases = await Promise.all(
    Array.from({ length: each ? receivers : 1 }, async (_, i) => {
      const database = openDatabase<unknown>({
        url,
        schema: `bench_${made}_${i}`,
        applicationName: "bench",
        maxConnections: each ? 1 : 8,
        logger: silentLogger,
      });
      await migrateEventLog(database, each ? { partitions: 1 } : {});
      return database;
    }),
  );
  const logs = databases.map(createPostgresEventLog);
  return {
    name: each ? "a table for each" : "one table",
    databases,
    logOf: (index) => must(logs[index % logs.length], "a layout has a log"),
  };
}

async function measure(layout: Layout, receivers: number): Promise<Figures> {
  const heads: bigint[] = [];
  const epochs: bigint[] = [];
  for (let i = 0; i < receivers; i += 1) {
    await layout.logOf(i).create(BigInt(i));
    const { epoch, headOffset } = await layout.logOf(i).claim(BigInt(i));
    epochs[i] = epoch;
    heads[i] = headOffset;
  }
  const prepared = Array.from({ length: batchesInAll }, (_, batch) => events(batch, `${made}`));
  // Four writers at once, each with receivers of its own: one writer per log.
  const writers = Math.min(4, receivers);
  let began = performance.now();
  await Promise.all(
    Array.from({ length: writers }, async (_, writer) => {
      for (let batch = writer; batch < batchesInAll; batch += writers) {
        const i = writer + writers * (Math.floor(batch / writers) % Math.floor(receivers / writers));
        const request = {
          receiverId: BigInt(i),
          epoch: epochs[i] ?? 0n,
          headOffset: heads[i] ?? 0n,
          events: prepared[batch] ?? [],
          quarantined: [],
        };
        const result = await layout.logOf(i).append(request);
        if (result.kind !== "appended" || result.segment === undefined) throw new Error(result.kind);
        heads[i] = lastOffsetOf(result.segment);
      }
    }),
  );
  const appended = (batchesInAll * eventsPerBatch) / ((performance.now() - began) / 1000);
  began = performance.now();
  let count = 0;
  for (let i = 0; i < receivers; i += 1) {
    for (let after = 0n; after < (heads[i] ?? 0n);) {
      const chunk = await layout.logOf(i).read({ receiverId: BigInt(i), afterOffset: after, maxEvents: 500, maxBytes: 1_000_000 });
      if (chunk.kind !== "segments") throw new Error(chunk.kind);
      for (const segment of chunk.segments) {
        count += segment.count;
        after = lastOffsetOf(segment);
      }
    }
  }
  const read = count / ((performance.now() - began) / 1000);
  const first = must(layout.databases[0], "a layout has a database");
  const { rows } = await sql<{ bytes: bigint }>`
    select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname like ${`bench\\_${made}\\_%`}`.execute(first.db);
  return { appended, read, bytes: Number(rows[0]?.bytes ?? 0n) };
}

const kinds = ["one", "each"] as const;
const measures = [
  { name: "append", key: "appended", unit: "events/s" },
  { name: "read", key: "read", unit: "events/s" },
  { name: "size", key: "bytes", unit: "bytes" },
] as const;

/** For each number of receivers, both layouts and their ratio. */
export async function tables({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 1 : 3;
  const postgres = await startPostgres();
  const rows: string[][] = [];
  const ratios: Record<string, number> = {};
  const raw: Record<number, unknown> = {};
  try {
    for (const receivers of receiverCounts) {
      say(`${receivers} receivers, ${rounds} rounds`);
      const figures = await takeTurns(kinds, rounds, async (kind) => {
        const layout = await open(postgres.url, receivers, kind === "each");
        const found = await measure(layout, receivers);
        await Promise.all(
          layout.databases.map(async (database) => {
            await sql`drop schema ${sql.id(database.schema)} cascade`.execute(database.db);
            await database.close();
          }),
        );
        return found;
      });
      raw[receivers] = figures;
      for (const { name, key, unit } of measures) {
        const [one, each] = [spreadBy(figures.one, (found) => found[key]), spreadBy(figures.each, (found) => found[key])];
        const ratio = ratioOf(each, one);
        ratios[`${name}, ${receivers} receivers: a table for each / one table`] = ratio;
        rows.push([String(receivers), name, `${shown(one)} ${unit}`, `${shown(each)} ${unit}`, String(ratio)]);
      }
    }
  } finally {
    await postgres.stop();
  }
  return {
    title: `One table or a table for each receiver (${rounds} rounds, medians)`,
    columns: ["receivers", "measure", "one table", "a table for each", "ratio"],
    rows,
    notes: [],
    ratios,
    raw,
    right: true,
  };
}
