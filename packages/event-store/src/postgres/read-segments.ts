import { eventEndsOf, must, type EncodedBatch, type Offset } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { ReadRequest } from "../event-log.ts";
import type { Tables } from "./tables.ts";

interface SegmentRow {
  readonly first_offset: bigint;
  readonly event_count: number;
  readonly recorded_ms: bigint;
  readonly payload: Buffer;
}

/** Whole segments after an offset, in order, up to the bounds; the sizes are read without the payloads, which stay where they are until chosen. */
export async function readSegments(db: Kysely<unknown>, tables: Tables, request: ReadRequest): Promise<readonly EncodedBatch[]> {
  const { receiverId, afterOffset, maxEvents, maxBytes } = request;
  const { rows } = await sql<SegmentRow>`
    select first_offset, event_count, (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms, payload
    from (
      select *, sum(event_count) over w - event_count as events_before, sum(octet_length(payload)) over w - octet_length(payload) as bytes_before
      from (
        select * from ${tables.segments}
        where receiver_id = ${receiverId}::bigint and last_offset > ${afterOffset}::bigint
        order by last_offset limit ${maxEvents}::int
      ) as next
      window w as (order by last_offset)
    ) as sized
    where events_before < ${maxEvents}::int and bytes_before < ${maxBytes}::int
    order by last_offset`.execute(db);
  return rows.map(toBatch);
}

/** The segment that holds an offset. */
export async function readSegmentOf(
  db: Kysely<unknown>,
  tables: Tables,
  receiverId: bigint,
  offset: Offset,
): Promise<EncodedBatch | undefined> {
  const [segment] = await readSegments(db, tables, { receiverId, afterOffset: offset - 1n, maxEvents: 1, maxBytes: 1 });
  return segment;
}

function toBatch(row: SegmentRow): EncodedBatch {
  const eventEnds = must(eventEndsOf(row.payload), `segment at offset ${row.first_offset} is not a whole number of events`);
  return { firstOffset: row.first_offset, count: row.event_count, bytes: row.payload, eventEnds, recordedAt: Number(row.recorded_ms) };
}
