import type { KnownEvent } from "@warren/event-store";
import { sameContent, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
import type { PendingMessage } from "./pending-messages.ts";

/** What one append stores: all events of some consecutive messages. Acked as a whole, up to `tag` of `channel`. */
export interface Batch {
  readonly channel: number;
  readonly tag: number;
  readonly events: readonly EventSlice[];
  readonly quarantined: readonly QuarantinedEvent[];
  /** What its messages held when they were delivered: a pack stays in memory as a whole while one event of it does. */
  readonly bytes: number;
}

/** A batch after something was taken out of it. */
export interface CutBatch {
  readonly batch: Batch;
  /** Events dropped because they are stored already. */
  readonly repeats: number;
  /** Events moved to quarantine because another event has their id. */
  readonly conflicts: number;
}

/** A batch as its messages give it. */
export interface MergedBatch {
  readonly batch: Batch;
  /** Events that came in its messages, each time they did. */
  readonly received: number;
  /** Events dropped because they stand in it already. */
  readonly repeats: number;
}

/** Joins whole messages (W1: a batch never ends inside one), and takes them apart; an event that stands in it twice is a repeat, or a conflict of ids. */
export function mergeMessages(channel: number, messages: readonly PendingMessage[]): MergedBatch {
  const events: EventSlice[] = [];
  const quarantined: QuarantinedEvent[] = [];
  const seen = new Map<string, EventSlice>();
  let received = 0;
  let repeats = 0;
  let tag = 0;
  let bytes = 0;
  for (const message of messages) {
    const parts = message.unpack();
    tag = message.tag;
    bytes += message.bytes;
    received += parts.events.length;
    quarantined.push(...parts.rejected);
    for (const event of parts.events) {
      // The id alone nearly always tells: then no text is made for it.
      const sameId = seen.get(event.id);
      const key = sameId === undefined || sameId.source === event.source ? event.id : `${event.source}\0${event.id}`;
      const earlier = key === event.id ? sameId : seen.get(key);
      if (earlier === undefined) {
        seen.set(key, event);
        events.push(event);
      } else if (sameContent(earlier.bytes, event.bytes)) {
        repeats += 1;
      } else {
        quarantined.push(conflictOf(event));
      }
    }
  }
  return { batch: { channel, tag, events, quarantined, bytes }, received, repeats };
}

/** Takes out what the log has (W3): a repeat is dropped, an event with the id of another one goes to quarantine. */
export function cutKnown(batch: Batch, known: readonly KnownEvent[]): CutBatch {
  if (known.length === 0) return { batch, repeats: 0, conflicts: 0 };
  const byIndex = new Map(known.map((entry) => [entry.index, entry]));
  const quarantined = [...batch.quarantined];
  let repeats = 0;
  let conflicts = 0;
  const events = batch.events.filter((event, index) => {
    const entry = byIndex.get(index);
    if (entry === undefined) return true;
    if (entry.sameContent) {
      repeats += 1;
    } else {
      quarantined.push(conflictOf(event));
      conflicts += 1;
    }
    return false;
  });
  return { batch: { ...batch, events, quarantined }, repeats, conflicts };
}

function conflictOf(event: EventSlice): QuarantinedEvent {
  const { source, id, type, bytes } = event;
  return { reason: "id_conflict", detail: "another event with this source and id is stored, with other content", bytes, source, id, type };
}
