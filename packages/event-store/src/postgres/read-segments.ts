import { eventEndsOf, must, type EncodedBatch, type Offset } from "@warren/protocol";
import type { CopyFields, Database } from "@warren/postgres";
import type { CallOptions, ReadRequest } from "../event-log.ts";
import type { TableNames } from "./tables.ts";

/**
 * Whole segments after an offset, in order, up to the bounds. Offsets are dense: the segment that holds the last offset of a page is looked up, so that no more
 * rows than those of the page are looked at. The sizes are read without the payloads, which stay where they are until chosen.
 */
export function readSegments(
  database: Database<unknown>,
  tables: TableNames,
  request: ReadRequest,
  options?: CallOptions,
): Promise<readonly EncodedBatch[]> {
  const { receiverId, afterOffset, maxEvents, maxBytes } = request;
  const query = `
    select first_offset, event_count, (extract(epoch from recorded_at) * 1000)::bigint, payload
    from (
      select *, first_offset - first_value(first_offset) over w as events_before,
        sum(octet_length(payload)) over w - octet_length(payload) as bytes_before
      from ${tables.segments}
      where receiver_id = ${receiverId} and last_offset > ${afterOffset} and last_offset <= coalesce((
        select last_offset from ${tables.segments}
        where receiver_id = ${receiverId} and last_offset >= ${afterOffset + BigInt(maxEvents)}
        order by last_offset limit 1
      ), ${maxOffset})
      window w as (order by last_offset)
    ) as sized
    where events_before < ${maxEvents} and bytes_before < ${maxBytes}
    order by last_offset`;
  return database.copyOut(query, toBatch, options);
}

/** The largest of int8. */
const maxOffset = 2n ** 63n - 1n;

/** The segment that holds an offset. */
export async function readSegmentOf(
  database: Database<unknown>,
  tables: TableNames,
  receiverId: bigint,
  offset: Offset,
): Promise<EncodedBatch | undefined> {
  const [segment] = await readSegments(database, tables, { receiverId, afterOffset: offset - 1n, maxEvents: 1, maxBytes: 1 });
  return segment;
}

function toBatch([first, count, recorded, payload]: CopyFields): EncodedBatch {
  const firstOffset = must(first, "a segment has a first offset").readBigInt64BE();
  const bytes = Buffer.from(must(payload, "a segment has a payload"));
  const eventEnds = must(eventEndsOf(bytes), `segment at offset ${firstOffset} is not a whole number of events`);
  return {
    firstOffset,
    count: must(count, "a segment has a count").readInt32BE(),
    bytes,
    eventEnds,
    recordedAt: Number(must(recorded, "a segment has a time").readBigInt64BE()),
  };
}
