import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { currentKeyFormat } from "../event-keys.ts";
import { leaveInsertedRows } from "../vacuum.ts";

/** The archive: one row per event, its keys, its position counter, quarantine. */
export function init(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const id = (name: string) => sql.id(schema, name);
      await sql`create table ${id("archive_head")} (only_row boolean primary key default true check (only_row), head_position bigint not null, last_recorded_at timestamptz not null)`.execute(
        db,
      );
      await sql`insert into ${id("archive_head")} (head_position, last_recorded_at) values (0, '-infinity')`.execute(db);
      // By time, so that old parts can be detached one day; the parts of a quarter of a century are few.
      await sql`
        create table ${id("archived_events")} (
          position bigint not null,
          event_key uuid not null,
          id text not null,
          source text not null,
          type text not null,
          subject text not null,
          event_time timestamptz,
          recorded_at timestamptz not null,
          partition_key text not null,
          content_type text not null,
          data_schema text not null,
          extensions json not null,
          body_kind smallint not null,
          data bytea not null,
          primary key (position, recorded_at)
        ) partition by range (recorded_at)`.execute(db);
      await sql`create table ${id("archived_events_default")} partition of ${id("archived_events")} default`.execute(db);
      await sql`create index on ${id("archived_events")} (type, position)`.execute(db);
      await sql`create table ${id("archived_event_keys")} (event_key uuid primary key, position bigint not null)`.execute(db);
      await sql`
        create table ${id("quarantine")} (
          quarantine_id bigint generated always as identity primary key,
          content_key uuid not null unique,
          reason text not null,
          detail text not null,
          payload bytea not null,
          recorded_at timestamptz not null default clock_timestamp()
        )`.execute(db);
    },
  };
}

/** How the archive makes the keys of its events: one that holds some goes on as it began. */
export function keyFormat(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const head = sql.id(schema, "archive_head");
      await sql`alter table ${head} add column key_format smallint not null default 1`.execute(db);
      await sql`update ${head} set key_format = ${sql.lit(currentKeyFormat)} where head_position = 0`.execute(db);
    },
  };
}

/** Events and their keys are written once. */
export function vacuum(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const table of ["archived_events", "archived_event_keys"]) await leaveInsertedRows(db, schema, table);
    },
  };
}
