import { createPostgresEventLog, migrateEventLog, type EventLog } from "@warren/event-store";
import { openDatabase, type Database } from "@warren/postgres";
import { lastOffsetOf, silentLogger, type EncodedBatch, type EventSlice } from "@warren/protocol";
import { sql } from "kysely";
import { pidOnPort } from "./processes.ts";

/** A schema of its own with the shipped log in it. */
export interface LogSchema {
  readonly database: Database<unknown>;
  readonly log: EventLog;
  /** Takes the log of a receiver, which is made when there is none. */
  writer(receiverId: bigint): Promise<LogWriter>;
  close(): Promise<void>;
}

/** The one writer of a log. */
export interface LogWriter {
  readonly head: bigint;
  /** Throws unless all of them are stored as one segment. */
  append(events: readonly EventSlice[]): Promise<EncodedBatch>;
}

/** Flags of a PostgreSQL on which no checkpoint falls into a measurement: each would make WAL of its own for whoever writes next. Commits stay durable. */
export const steadyFlags = ["-c", "max_wal_size=16GB", "-c", "checkpoint_timeout=1h", "-c", "autovacuum=off", "-c", "shared_buffers=512MB"];

/** A connection pool of the bench. */
export function openBenchDatabase(url: string, schema: string): Database<unknown> {
  return openDatabase<unknown>({ url, schema, applicationName: "bench", maxConnections: 4, logger: silentLogger });
}

/** Opens, and makes the tables when there are none. */
export async function openLogSchema(url: string, schema: string): Promise<LogSchema> {
  const database = openBenchDatabase(url, schema);
  await migrateEventLog(database);
  const log = createPostgresEventLog(database);
  return {
    database,
    log,
    async writer(receiverId) {
      await log.create(receiverId);
      const { epoch, headOffset } = await log.claim(receiverId);
      let head = headOffset;
      return {
        get head() {
          return head;
        },
        async append(events) {
          const result = await log.append({ receiverId, epoch, headOffset: head, events, quarantined: [] });
          if (result.kind !== "appended" || result.segment === undefined) throw new Error(`the append ended as ${result.kind}`);
          head = lastOffsetOf(result.segment);
          return result.segment;
        },
      };
    },
    close: () => database.close(),
  };
}

/** Bytes of all tables of a schema, with their indexes. */
export async function schemaBytes({ db, schema }: Database<unknown>): Promise<number> {
  const { rows } = await sql<{ bytes: bigint }>`
    select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname = ${schema}`.execute(db);
  return Number(rows[0]?.bytes ?? 0n);
}

/** Bytes of WAL written so far. */
export async function walBytes({ db }: Database<unknown>): Promise<number> {
  const { rows } = await sql<{ bytes: bigint }>`select (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint as bytes`.execute(db);
  return Number(rows[0]?.bytes ?? 0n);
}

/** The server behind a URL, to look at its CPU time. */
export const postgresPid = (url: string): number => pidOnPort(Number(new URL(url).port));
