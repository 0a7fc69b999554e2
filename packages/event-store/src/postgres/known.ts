import { decodeEvent, lastOffsetOf, must, sameContent, type EncodedBatch, type EventSlice, type Offset } from "@warren/protocol";
import type { Database } from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import { keysParameter, type EventIdentity, type KeyFormat } from "../event-keys.ts";
import type { KnownEvent } from "../event-log.ts";
import { readSegmentOf } from "./read-segments.ts";
import type { TableNames, Tables } from "./tables.ts";

/** Offsets of the events that are stored, by identity. Planned each time: a plan that was made while the table was small would read all of it. */
export async function offsetsOf(
  db: Kysely<unknown>,
  tables: Tables,
  log: { readonly receiverId: bigint; readonly keyFormat: KeyFormat },
  identities: readonly EventIdentity[],
): Promise<ReadonlyMap<number, Offset>> {
  if (identities.length === 0) return new Map();
  const { rows } = await sql<{ place: bigint; event_offset: bigint }>`
    select k.place, e.event_offset
    from unnest(${keysParameter(log.keyFormat, identities)}::uuid[]) with ordinality as k(key, place)
    join ${tables.keys} e on e.receiver_id = ${log.receiverId}::bigint and e.event_key = k.key`.execute(db);
  return new Map(rows.map(({ place, event_offset: offset }) => [Number(place) - 1, offset]));
}

/**
 * Of events at these offsets, whether they are stored with the same content (W3). One segment is read and held at a time: an append of unknown outcome asks for a whole batch, which
 * lies in one segment; other repeats are rare.
 */
export async function knownEvents(
  database: Database<unknown>,
  tables: TableNames,
  receiverId: bigint,
  events: readonly EventSlice[],
  offsets: ReadonlyMap<number, Offset>,
): Promise<readonly KnownEvent[]> {
  const known: KnownEvent[] = [];
  let segment: EncodedBatch | undefined;
  for (const [index, offset] of [...offsets].toSorted(([, a], [, b]) => (a < b ? -1 : 1))) {
    if (segment === undefined || offset > lastOffsetOf(segment)) {
      segment = must(await readSegmentOf(database, tables, receiverId, offset), `no segment holds offset ${offset}`);
    }
    const at = Number(offset - segment.firstOffset);
    const start = at === 0 ? 0 : segment.eventEnds[at - 1];
    const stored = segment.bytes.subarray(start, segment.eventEnds[at]);
    const event = must(events[index], "the index is one of the events");
    known.push({ index, offset, sameContent: sameContent(stored, event.bytes) && sameIdentity(stored, event) });
  }
  return known.toSorted((a, b) => a.index - b.index);
}

/** Whatever the odds that two keys are equal: another event is never dropped as a repeat. */
function sameIdentity(stored: Uint8Array, { source, id }: EventIdentity): boolean {
  const event = decodeEvent(stored);
  return event.source === source && event.id === id;
}
