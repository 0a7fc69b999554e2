import type { Offset } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/** Removes whole segments below `before` with their keys and records the gap, in one statement. Undefined when there is no such log. */
export async function pruneSegments(
  db: Kysely<unknown>,
  tables: Tables,
  receiverId: bigint,
  before: Offset,
  reason: string,
): Promise<Offset | undefined> {
  const { rows } = await sql<{ oldest_offset: bigint }>`
    with gone as (
      delete from ${tables.segments} where receiver_id = ${receiverId}::bigint and last_offset < ${before}::bigint
      returning first_offset, last_offset
    ), span as (
      select min(first_offset) as first_offset, max(last_offset) as last_offset from gone having count(*) > 0
    ), keys as (
      delete from ${tables.keys} k using span where k.receiver_id = ${receiverId}::bigint and k.event_offset <= span.last_offset
    ), gap as (
      insert into ${tables.gaps} (receiver_id, kind, first_offset, last_offset, after_offset, reason)
      select ${receiverId}::bigint, 'pruned', first_offset, last_offset, first_offset - 1, ${reason} from span
    ), moved as (
      update ${tables.logs} set oldest_offset = span.last_offset + 1 from span where receiver_id = ${receiverId}::bigint
      returning oldest_offset
    )
    select oldest_offset from moved
    union all
    select oldest_offset from ${tables.logs} where receiver_id = ${receiverId}::bigint and not exists (select from span)`.execute(db);
  return rows[0]?.oldest_offset;
}
