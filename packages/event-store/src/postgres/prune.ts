import { decodeEvent, lastOffsetOf, Limits, type EncodedBatch, type Offset } from "@warren/protocol";
import type { Database } from "@warren/postgres";
import { sql } from "kysely";
import { keysParameter, type EventIdentity, type KeyFormat } from "../event-keys.ts";
import type { PruneRequest, PruneResult } from "../event-log.ts";
import { readSegments } from "./read-segments.ts";
import type { TableNames, Tables } from "./tables.ts";

/**
 * Removes the oldest segments below an offset, in one statement with their keys and the gap, only where epoch and oldest offset are the expected ones. Keys are
 * found by what the segments say: an index by offset would cost every append (ADR-0010). Undefined when epoch or oldest offset differ: nothing was done.
 */
export async function pruneSegments(
  database: Database<unknown>,
  { tables, names }: { readonly tables: Tables; readonly names: TableNames },
  request: PruneRequest,
  { oldest, keyFormat }: { readonly oldest: Offset; readonly keyFormat: KeyFormat },
): Promise<PruneResult | undefined> {
  const { receiverId, epoch, beforeOffset, reason, maxEvents } = request;
  const read = await readSegments(database, names, { receiverId, afterOffset: oldest - 1n, maxEvents, maxBytes: Limits.pruneBytes });
  const below = read.filter((segment) => lastOffsetOf(segment) < beforeOffset);
  const last = below.at(-1);
  if (last === undefined) return { oldestOffset: oldest, bytes: 0, more: false };
  const lastOffset = lastOffsetOf(last);
  const bytes = below.reduce((sum, segment) => sum + segment.bytes.length, 0);
  const { rows } = await sql<{ oldest_offset: bigint; more: boolean }>`
    with moved as (
      update ${tables.logs} set oldest_offset = ${lastOffset}::bigint + 1, kept_bytes = kept_bytes - ${bytes}::bigint
      where receiver_id = ${receiverId}::bigint and epoch = ${epoch}::bigint and oldest_offset = ${oldest}::bigint
      returning oldest_offset
    ), segments as (
      delete from ${tables.segments} using moved where receiver_id = ${receiverId}::bigint and last_offset <= ${lastOffset}::bigint
    ), keys as (
      delete from ${tables.keys} using moved
      where receiver_id = ${receiverId}::bigint and event_key = any(${keysParameter(keyFormat, below.flatMap(identitiesOf))}::uuid[]) and event_offset <= ${lastOffset}::bigint
    ), extended as (
      update ${tables.gaps} set last_offset = ${lastOffset}::bigint from moved
      where receiver_id = ${receiverId}::bigint and kind = 'pruned' and last_offset = ${oldest}::bigint - 1 and reason = ${reason}
      returning gap_id
    ), gap as (
      insert into ${tables.gaps} (receiver_id, kind, first_offset, last_offset, after_offset, reason)
      select ${receiverId}::bigint, 'pruned', ${oldest}::bigint, ${lastOffset}::bigint, ${oldest}::bigint - 1, ${reason}
      from moved where not exists (select from extended)
    )
    select oldest_offset, exists (
      select from ${tables.segments}
      where receiver_id = ${receiverId}::bigint and last_offset > ${lastOffset}::bigint and last_offset < ${beforeOffset}::bigint
    ) as more from moved`.execute(database.db);
  const [row] = rows;
  return row === undefined ? undefined : { oldestOffset: row.oldest_offset, bytes, more: row.more };
}

function identitiesOf({ bytes, eventEnds }: EncodedBatch): EventIdentity[] {
  return Array.from(eventEnds, (end, index) => decodeEvent(bytes.subarray(index === 0 ? 0 : eventEnds[index - 1], end)));
}
