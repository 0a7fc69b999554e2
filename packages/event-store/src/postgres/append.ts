import { createHash } from "node:crypto";
import { joinSlices, type EncodedBatch, type QuarantinedEvent } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { AppendRequest } from "../event-log.ts";
import { eventKey } from "../event-key.ts";
import type { Tables } from "./tables.ts";

/** Version of the bytes in `payload`: 1 is `EventBatch.events` of warren.v1. */
const segmentFormat = 1;

/**
 * W2 and W3 in one statement: head, segment, event keys and quarantine change together, only where epoch and head are the expected ones, and not at
 * all when a key exists (unique_violation). Undefined: epoch or head differ, nothing was written. Offset order is time order: recorded_at never goes back.
 */
export async function appendSegment(
  db: Kysely<unknown>,
  tables: Tables,
  request: AppendRequest,
): Promise<EncodedBatch | "empty" | undefined> {
  const { receiverId, epoch, headOffset, events, quarantined } = request;
  const count = events.length;
  const joined = count === 0 ? undefined : joinSlices(events);
  const payload = joined === undefined ? null : Buffer.from(joined.bytes.buffer, joined.bytes.byteOffset, joined.bytes.byteLength);
  const keys = events.map(({ source, id }) => eventKey(source, id));
  const aside = quarantineColumns(quarantined);
  const { rows } = await sql<{ recorded_ms: bigint }>`
    with head as (
      update ${tables.logs} set
        head_offset = head_offset + ${count}::int,
        kept_bytes = kept_bytes + ${payload?.length ?? 0}::bigint,
        last_recorded_at = greatest(last_recorded_at, date_trunc('milliseconds', clock_timestamp()))
      where receiver_id = ${receiverId}::bigint and epoch = ${epoch}::bigint and head_offset = ${headOffset}::bigint
      returning head_offset, last_recorded_at
    ), segment as (
      insert into ${tables.segments} (receiver_id, last_offset, first_offset, event_count, epoch, format, recorded_at, payload)
      select ${receiverId}::bigint, head_offset, ${headOffset}::bigint + 1, ${count}::int, ${epoch}::bigint, ${segmentFormat}::smallint, last_recorded_at, ${payload}::bytea
      from head where ${count}::int > 0
    ), keys as (
      insert into ${tables.keys} (receiver_id, event_key, event_offset)
      select ${receiverId}::bigint, k.key, ${headOffset}::bigint + k.place
      from head, unnest(${keys}::uuid[]) with ordinality as k(key, place)
    ), aside as (
      insert into ${tables.quarantine} (receiver_id, content_key, reason, detail, source, id, type, payload)
      select ${receiverId}::bigint, q.content_key, q.reason, q.detail, q.source, q.id, q.type, q.payload
      from head, unnest(${aside.contentKeys}::uuid[], ${aside.reasons}::text[], ${aside.details}::text[], ${aside.sources}::text[],
        ${aside.ids}::text[], ${aside.types}::text[], ${aside.payloads}::bytea[]) as q(content_key, reason, detail, source, id, type, payload)
      on conflict do nothing
    )
    select (extract(epoch from last_recorded_at) * 1000)::bigint as recorded_ms from head`.execute(db);
  const [row] = rows;
  if (row === undefined) return undefined;
  if (joined === undefined) return "empty";
  return { firstOffset: headOffset + 1n, count, bytes: joined.bytes, eventEnds: joined.eventEnds, recordedAt: Number(row.recorded_ms) };
}

/** Columns of quarantined events. PostgreSQL's text takes no NUL: there it is shown as U+FFFD, the bytes are kept as they came. */
function quarantineColumns(quarantined: readonly QuarantinedEvent[]) {
  const text = (value: string | undefined): string | null => value?.replaceAll("\0", "\uFFFD").toWellFormed() ?? null;
  return {
    contentKeys: quarantined.map(contentKey),
    reasons: quarantined.map(({ reason }) => reason),
    details: quarantined.map(({ detail }) => text(detail)),
    sources: quarantined.map(({ source }) => text(source)),
    ids: quarantined.map(({ id }) => text(id)),
    types: quarantined.map(({ type }) => text(type)),
    payloads: quarantined.map(({ bytes }) => Buffer.from(bytes)),
  };
}

function contentKey({ reason, detail, bytes }: QuarantinedEvent): string {
  const hex = createHash("sha256").update(reason).update("\0").update(detail).update("\0").update(bytes).digest("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
}
