import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { tablesOf } from "../tables.ts";

/** Logs, segments, event keys, gaps and quarantine; the two large tables in so many partitions. */
export function init(schema: string, partitions: number): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const tables = tablesOf(schema);
      await sql`
        create table ${tables.logs} (
          receiver_id bigint primary key,
          log_id uuid not null default gen_random_uuid(),
          epoch bigint not null default 0,
          head_offset bigint not null default 0,
          oldest_offset bigint not null default 1,
          last_recorded_at timestamptz not null default '-infinity'
        ) with (fillfactor = 50)`.execute(db);
      await sql`
        create table ${tables.segments} (
          receiver_id bigint not null,
          last_offset bigint not null,
          first_offset bigint not null,
          event_count integer not null,
          epoch bigint not null,
          format smallint not null,
          recorded_at timestamptz not null,
          payload bytea not null,
          primary key (receiver_id, last_offset)
        ) partition by hash (receiver_id)`.execute(db);
      await sql`
        create table ${tables.keys} (
          receiver_id bigint not null,
          event_key uuid not null,
          event_offset bigint not null,
          primary key (receiver_id, event_key)
        ) partition by hash (receiver_id)`.execute(db);
      for (let i = 0; i < partitions; i += 1) {
        for (const table of ["log_segments", "log_event_keys"]) {
          const part = sql.id(schema, `${table}_${i}`);
          await sql`create table ${part} partition of ${sql.id(schema, table)} for values with (modulus ${sql.lit(partitions)}, remainder ${sql.lit(i)})`.execute(
            db,
          );
        }
        await preferLz4(db, schema, `log_segments_${i}`);
      }
      await sql`
        create table ${tables.gaps} (
          gap_id bigint generated always as identity primary key,
          receiver_id bigint not null,
          kind text not null check (kind in ('pruned', 'missed')),
          first_offset bigint,
          last_offset bigint,
          after_offset bigint not null,
          from_time timestamptz,
          to_time timestamptz,
          reason text not null,
          recorded_at timestamptz not null default clock_timestamp()
        )`.execute(db);
      await sql`create index on ${tables.gaps} (receiver_id, after_offset)`.execute(db);
      await sql`
        create table ${tables.quarantine} (
          quarantine_id bigint generated always as identity primary key,
          receiver_id bigint not null,
          content_key uuid not null,
          reason text not null,
          detail text not null,
          source text,
          id text,
          type text,
          payload bytea not null,
          recorded_at timestamptz not null default clock_timestamp(),
          unique (receiver_id, content_key)
        )`.execute(db);
    },
  };
}

/** lz4 is several times as fast as the default; servers built without it keep the default. */
async function preferLz4(db: Kysely<unknown>, schema: string, table: string): Promise<void> {
  const { rows } = await sql<{
    ok: boolean;
  }>`select 'lz4' = any(enumvals) as ok from pg_settings where name = 'default_toast_compression'`.execute(db);
  if (rows[0]?.ok === true) await sql`alter table ${sql.id(schema, table)} alter column payload set compression lz4`.execute(db);
}
