import { Limits, sizeOf, type EventSlice, type QuarantinedEvent } from "@warren/protocol";

/** What a message holds for this receiver. */
export interface MessageParts {
  readonly events: readonly EventSlice[];
  readonly rejected: readonly QuarantinedEvent[];
}

/** One AMQP message that waits for its batch. `bytes`: what it holds in memory, as it was delivered. */
export interface PendingMessage {
  readonly tag: number;
  readonly bytes: number;
  /** Takes it apart. Every call gives the same parts; only the first one makes them. */
  unpack(): MessageParts;
}

interface Link {
  readonly message: PendingMessage;
  readonly next: Link | undefined;
}

/**
 * Messages that wait for their batch, in order. A value: adding and taking leave it as it was, cost the same however many wait, and what was taken is held no longer
 * (an array with an index would hold it, taken apart).
 *
 * **Invariant:** nothing is in `back` when nothing is in `front`.
 */
export interface PendingMessages {
  /** The oldest, then the next one, and so on. */
  readonly front: Link | undefined;
  /** What came after all of `front`, newest first. */
  readonly back: Link | undefined;
  /** Sum of the messages' `bytes`. */
  readonly bytes: number;
}

/** Nothing waits. */
export const noMessages: PendingMessages = { front: undefined, back: undefined, bytes: 0 };

/** These wait too, behind the others. */
export function addMessages(pending: PendingMessages, messages: readonly PendingMessage[]): PendingMessages {
  let { back, bytes } = pending;
  for (const message of messages) {
    back = { message, next: back };
    bytes += message.bytes;
  }
  return turned({ front: pending.front, back, bytes });
}

/**
 * Takes the next messages that one segment holds: whole ones (W1), at least one. Only these are taken apart, and the one behind them, which tells by its parts that it does
 * not fit: it waits with them.
 */
export function takeMessages(pending: PendingMessages): { readonly taken: readonly PendingMessage[]; readonly rest: PendingMessages } {
  const taken: PendingMessage[] = [];
  let rest = pending;
  let events = 0;
  let bytes = 0;
  while (rest.front !== undefined) {
    const { message, next } = rest.front;
    const parts = message.unpack();
    events += parts.events.length;
    bytes += bytesOf(parts);
    if (taken.length > 0 && (events > Limits.segmentEvents || bytes > Limits.segmentBytes)) break;
    taken.push(message);
    rest = turned({ front: next, back: rest.back, bytes: rest.bytes - message.bytes });
  }
  return { taken, rest };
}

/** Whether more waits than one segment holds: what comes later cannot go into the next one. Takes apart what `takeMessages` does. */
export function isMoreThanSegment(pending: PendingMessages): boolean {
  return takeMessages(pending).rest.front !== undefined;
}

/** Size of the events of a message, good and bad. */
export function bytesOf({ events, rejected }: MessageParts): number {
  let bytes = 0;
  for (const each of events) bytes += sizeOf(each);
  for (const each of rejected) bytes += each.bytes.length;
  return bytes;
}

/** When the front is used up, the back becomes the front. */
function turned(pending: PendingMessages): PendingMessages {
  if (pending.front !== undefined || pending.back === undefined) return pending;
  let front: Link | undefined;
  for (let link: Link | undefined = pending.back; link !== undefined; link = link.next) front = { message: link.message, next: front };
  return { front, back: undefined, bytes: pending.bytes };
}
