import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";

/** Receivers, consumers, the sequence of session tokens, and the state as one document to look at. */
export function init(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`create sequence ${sql.id(schema, "session_tokens")}`.execute(db);
      await sql`
        create table ${sql.id(schema, "receivers")} (
          receiver_id bigint generated always as identity primary key,
          config_key text not null unique,
          config jsonb not null,
          phase text not null check (phase in ('creating', 'ready', 'retiring')),
          complete_since timestamptz,
          created_at timestamptz not null default clock_timestamp()
        )`.execute(db);
      await sql`
        create table ${sql.id(schema, "consumers")} (
          name text collate "C" primary key,
          receiver_id bigint not null references ${sql.id(schema, "receivers")},
          acked_offset bigint not null,
          session_token bigint not null,
          created_at timestamptz not null default clock_timestamp()
        ) with (fillfactor = 70)`.execute(db);
      await sql`create index on ${sql.id(schema, "consumers")} (receiver_id)`.execute(db);
      await sql`
        create view ${sql.id(schema, "state")} as
        select coalesce(jsonb_agg(jsonb_build_object('config', r.config, 'consumers', (
          select coalesce(jsonb_object_agg(c.name, c.acked_offset order by c.name), '{}') from ${sql.id(schema, "consumers")} c where c.receiver_id = r.receiver_id
        )) order by r.receiver_id), '[]') as state
        from ${sql.id(schema, "receivers")} r`.execute(db);
    },
  };
}

/** Settled ranges, moves and pauses of consumers; parked events. */
export function settleAndPark(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const consumers = sql.id(schema, "consumers");
      await sql`
        alter table ${consumers}
          add column acked_ranges int8multirange not null default '{}',
          add column moves bigint not null default 0,
          add column paused text`.execute(db);
      await sql`create sequence ${sql.id(schema, "delivery_ids")}`.execute(db);
      await sql`
        create table ${sql.id(schema, "parked_events")} (
          consumer text collate "C" not null references ${consumers} on delete cascade,
          event_offset bigint not null,
          reason text not null,
          attempts integer not null,
          parked_at timestamptz not null default clock_timestamp(),
          recorded_at timestamptz not null,
          payload bytea not null,
          delivery_id bigint,
          primary key (consumer, event_offset)
        )`.execute(db);
      await sql`create index on ${sql.id(schema, "parked_events")} (consumer, delivery_id) where delivery_id is not null`.execute(db);
    },
  };
}

/** How long events, sleeping consumers and unused receivers are kept. `asleep_since` is null while a consumer is awake. */
export function lifetimes(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`
        alter table ${sql.id(schema, "receivers")}
          add column max_age_ms bigint,
          add column max_bytes bigint,
          add column until_acked boolean not null default false,
          add column hold boolean not null default true,
          add column used_at timestamptz not null default clock_timestamp()`.execute(db);
      await sql`
        alter table ${sql.id(schema, "consumers")}
          add column expire_after_ms bigint,
          add column asleep_since timestamptz`.execute(db);
    },
  };
}
