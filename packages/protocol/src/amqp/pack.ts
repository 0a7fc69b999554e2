import type { EventSlice, QuarantinedEvent } from "../event-slice.ts";
import { PackSlice } from "../pack-slice.ts";
import type { TopicMatcher } from "../topic.ts";
import { eventTag, joinSlices } from "../walker/walk-batch.ts";
import { findType } from "../walker/find-type.ts";
import { EventWalker } from "../walker/walk-event.ts";
import { WireReader } from "../walker/wire.ts";

/** Content type of an AMQP message whose body is a `warren.v1.Pack`. */
export const packContentType = "application/vnd.warren.pack+protobuf";

/** What a delivery holds: events that a log can take, and events that none can. */
export interface Unpacked {
  readonly events: readonly EventSlice[];
  readonly rejected: readonly QuarantinedEvent[];
}

/** A pack as one AMQP message. */
export interface PackedMessage {
  readonly routingKey: string;
  /** Other types in the pack, for the CC header. */
  readonly cc: readonly string[];
  readonly body: Uint8Array;
}

/** One pack of these events, as a publisher that cuts packs by their limits makes it: the inverse of `unpack`. Throws ILLEGAL_STATE for none. */
export function packOf(events: readonly EventSlice[]): PackedMessage {
  const [routingKey = "", ...cc] = new Set(events.map(({ type }) => type));
  return { routingKey, cc, body: joinSlices(events).bytes };
}

/**
 * Takes a pack apart: slices are places in its body, nothing is decoded. A bad event is rejected alone while the framing holds. A pack goes to every queue that matches any of
 * its types: with a `matcher` events that say another type are left out, and cost no more than finding that out.
 */
export function unpack(body: Uint8Array, matcher?: TopicMatcher): Unpacked {
  const events: EventSlice[] = [];
  const rejected: QuarantinedEvent[] = [];
  const reader = new WireReader(body);
  const walker = new EventWalker(body);
  // Events come in runs. The walk tells the type of one that is wanted; for one that is not, finding its type is all that it costs.
  const before = { unwanted: false };
  while (!reader.done) {
    const start = reader.position;
    reader.position += 1;
    const length = body[start] === eventTag ? reader.length() : -1;
    if (length < 0) {
      rejected.push({ reason: "malformed", detail: `the pack is broken at byte ${start}`, bytes: body.subarray(start) });
      break;
    }
    const from = reader.position;
    reader.position += length;
    if (before.unwanted && !isWanted(findType(body, from, reader.position), matcher)) continue;
    const bad = walker.walk(from, reader.position);
    const type = bad === undefined ? walker.type : findType(body, from, reader.position);
    before.unwanted = !isWanted(type, matcher);
    if (before.unwanted) continue;
    if (bad === undefined) events.push(new PackSlice(start, reader.position, walker));
    else
      rejected.push({
        reason: bad.reason,
        detail: bad.detail,
        bytes: body.subarray(start, reader.position),
        source: bad.source,
        id: bad.id,
        type: bad.type,
      });
  }
  if (body.length === 0) rejected.push({ reason: "malformed", detail: "the pack is empty", bytes: body });
  return { events, rejected };
}

/** False when the event's type is known and matches nothing. Whether the rest of it is sound is not looked at. */
function isWanted(type: string | undefined, matcher: TopicMatcher | undefined): boolean {
  return matcher === undefined || type === undefined || matcher.matches(type);
}
