import { lastOffsetOf, must, sameContent, type EncodedBatch, type EventSlice, type Offset } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { KnownEvent } from "../event-log.ts";
import { eventKey } from "../event-key.ts";
import { readSegmentOf } from "./read-segments.ts";
import type { Tables } from "./tables.ts";

/** Offsets of the events that are stored, by identity. */
export async function offsetsOf(
  db: Kysely<unknown>,
  tables: Tables,
  receiverId: bigint,
  identities: readonly { readonly source: string; readonly id: string }[],
): Promise<ReadonlyMap<number, Offset>> {
  if (identities.length === 0) return new Map();
  const keys = identities.map(({ source, id }) => eventKey(source, id));
  const { rows } = await sql<{ place: bigint; event_offset: bigint }>`
    select k.place, e.event_offset
    from unnest(${keys}::uuid[]) with ordinality as k(key, place)
    join ${tables.keys} e on e.receiver_id = ${receiverId}::bigint and e.event_key = k.key`.execute(db);
  return new Map(rows.map(({ place, event_offset: offset }) => [Number(place) - 1, offset]));
}

/**
 * Which events are stored, and whether with the same content (W3). One segment is read and held at a time: an append of unknown outcome asks for a whole batch, which
 * lies in one segment; other repeats are rare.
 */
export async function knownEvents(
  db: Kysely<unknown>,
  tables: Tables,
  receiverId: bigint,
  events: readonly EventSlice[],
): Promise<readonly KnownEvent[]> {
  const offsets = await offsetsOf(db, tables, receiverId, events);
  const known: KnownEvent[] = [];
  let segment: EncodedBatch | undefined;
  for (const [index, offset] of [...offsets].toSorted(([, a], [, b]) => (a < b ? -1 : 1))) {
    if (segment === undefined || offset > lastOffsetOf(segment)) {
      segment = must(await readSegmentOf(db, tables, receiverId, offset), `no segment holds offset ${offset}`);
    }
    const at = Number(offset - segment.firstOffset);
    const start = at === 0 ? 0 : segment.eventEnds[at - 1];
    const stored = segment.bytes.subarray(start, segment.eventEnds[at]);
    const event = must(events[index], "the index is one of the events");
    known.push({ index, offset, sameContent: sameContent(stored, event.bytes) });
  }
  return known.toSorted((a, b) => a.index - b.index);
}
