import type { KnownEvent } from "@warren/event-store";
import { hasGreaterId, sameContent, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
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
  let tag = 0;
  let bytes = 0;
  for (const message of messages) {
    const { events: good, rejected } = message.unpack();
    tag = message.tag;
    bytes += message.bytes;
    // One by one: a message can hold more than a call takes arguments (W12).
    for (const each of rejected) quarantined.push(each);
    for (const event of good) events.push(event);
  }
  const batch = { channel, tag, events, quarantined, bytes };
  // Nearly always: no id stands in it twice, so neither does an event.
  if (areRising(events) || new Set(events.map(({ id }) => id)).size === events.length)
    return { batch, received: events.length, repeats: 0 };
  const { batch: rest, repeats } = cutRepeats(batch);
  return { batch: rest, received: events.length, repeats };
}

/** Whether each id is greater than the one before, as UUIDv7s of one publisher are: then no two are equal. */
function areRising(events: readonly EventSlice[]): boolean {
  return events.every((event, index) => {
    const before = events[index - 1];
    return before === undefined || hasGreaterId(event, before);
  });
}

/** Of the events with one source and id the first one stays. */
function cutRepeats(batch: Batch): CutBatch {
  const seen = new Map<string, EventSlice>();
  return cut(batch, (event) => {
    const key = `${event.source}\0${event.id}`;
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, event);
    return earlier && { sameContent: sameContent(earlier.bytes, event.bytes) };
  });
}

/** Takes out what the log has (W3). */
export function cutKnown(batch: Batch, known: readonly KnownEvent[]): CutBatch {
  if (known.length === 0) return { batch, repeats: 0, conflicts: 0 };
  const byIndex = new Map(known.map((entry) => [entry.index, entry]));
  return cut(batch, (_, index) => byIndex.get(index));
}

/** Takes out events that are there `earlier`: a repeat is dropped, one with the id of another event goes to quarantine. */
function cut(batch: Batch, earlier: (event: EventSlice, index: number) => Pick<KnownEvent, "sameContent"> | undefined): CutBatch {
  const quarantined = [...batch.quarantined];
  let repeats = 0;
  let conflicts = 0;
  const events = batch.events.filter((event, index) => {
    const there = earlier(event, index);
    if (there === undefined) return true;
    if (there.sameContent) {
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
