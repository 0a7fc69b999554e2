import { fromBinary } from "@bufbuild/protobuf";
import { schemaName } from "@warren/postgres";
import { canonicalPatterns } from "@warren/protocol";
import { EventBatchSchema, type Event } from "@warren/protocol/v1";
import { sql } from "kysely";
import type { FinalLog, HistoryGap } from "../history/history.ts";
import type { ChaosSystem } from "./system.ts";
import { logs } from "./workload.ts";
import { digestOf } from "./workload/content.ts";

/** Where the logs end, by name. */
export async function readHeads({ database, namespace }: ChaosSystem): Promise<ReadonlyMap<string, bigint>> {
  const schema = schemaName(namespace, "broker");
  const { rows } = await sql<{ patterns: readonly string[]; head: bigint }>`
    select r.config->'patterns' as patterns, l.head_offset as head
    from ${sql.id(schema, "receivers")} r join ${sql.id(schema, "logs")} l using (receiver_id)`.execute(database.db);
  const named = Object.entries(logs).map(([log, patterns]): readonly [string, bigint] => [
    log,
    rows.find((row) => sameSet(row.patterns, patterns))?.head ?? 0n,
  ]);
  return new Map(named);
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each) => other.includes(each));
}

/** A log as PostgreSQL has it, read without any code that writes it. */
export async function readLog({ database, namespace }: ChaosSystem, log: string, patterns: readonly string[]): Promise<FinalLog> {
  const schema = schemaName(namespace, "broker");
  const table = (name: string) => sql.id(schema, name);
  const of = sql`join ${table("receivers")} r using (receiver_id) where r.config->'patterns' = ${JSON.stringify(canonicalPatterns(patterns))}::jsonb`;
  const segments = await sql<{ first: bigint; last: bigint; epoch: bigint; payload: Buffer }>`
    select s.first_offset as first, s.last_offset as last, s.epoch, s.payload from ${table("log_segments")} s ${of} order by s.last_offset`.execute(
    database.db,
  );
  const gaps = await sql<{ after_offset: bigint }>`
    select g.after_offset from ${table("log_gaps")} g ${of} and g.kind = 'missed'`.execute(database.db);
  return {
    log,
    events: segments.rows.flatMap(({ first, payload }) =>
      fromBinary(EventBatchSchema, payload).events.map((event, index) => ({
        offset: first + BigInt(index),
        event: event.id,
        digest: digestOf(textOf(event)),
      })),
    ),
    commits: segments.rows.map(({ first, last, epoch }) => ({ first, last, epoch })),
    gaps: gaps.rows.map(({ after_offset: afterOffset }): HistoryGap => ({ what: "missed", afterOffset })),
  };
}

/** The archive, as a log that takes everything; `foreign`: what programs sent to it that keep no account. */
export async function readArchive({ archive, namespace }: ChaosSystem): Promise<{
  readonly log: FinalLog;
  readonly foreign: readonly { readonly event: string; readonly type: string; readonly digest: string }[];
}> {
  const schema = schemaName(namespace, "archive");
  const { rows } = await sql<{ position: bigint; id: string; type: string; data: Buffer }>`
    select position, id, type, data from ${sql.id(schema, "archived_events")} order by position`.execute(archive.db);
  const events = rows.map(({ position, id, type, data }) => ({ offset: position, event: id, type, digest: digestOf(data.toString()) }));
  return {
    log: { log: "archive", events: events.map(({ offset, event, digest }) => ({ offset, event, digest })), gaps: [] },
    foreign: events.filter(({ type }) => type.startsWith(foreignTypes)),
  };
}

/** How the types of events begin that no log but the archive takes, and nobody keeps account of. */
export const foreignTypes = "alien.";

/** Rows of quarantine, over all receivers. */
export async function countQuarantined({ database, namespace }: ChaosSystem): Promise<number> {
  const schema = schemaName(namespace, "broker");
  const { rows } = await sql<{ count: bigint }>`select count(*) as count from ${sql.id(schema, "quarantine")}`.execute(database.db);
  return Number(rows[0]?.count ?? 0);
}

function textOf({ body }: Event): string {
  return body.case === "text" ? body.value : `bytes ${body.value?.length ?? 0}`;
}
