import { halve, setAside } from "@warren/event-store";
import { sizeOf, type EventSlice, type QuarantinedEvent } from "@warren/protocol";

/*
 * The archiver's write side. Pure. One append at a time; what arrives meanwhile is the next batch; acks after the commit, on the channel the deliveries
 * came from (W1). An append that failed in whatever way is repeated as it was: the archive stores an event once. One
 * that the database refuses is halved until what it refuses is found and set aside (W12).
 */

/** One AMQP message, taken apart. */
export interface ArchivedMessage {
  readonly tag: number;
  readonly events: readonly EventSlice[];
  readonly rejected: readonly QuarantinedEvent[];
}

/** Whole messages of one channel. */
export interface ArchiveBatch {
  readonly channel: number;
  readonly tag: number;
  readonly events: readonly EventSlice[];
  readonly quarantined: readonly QuarantinedEvent[];
}

/** State. `work` is the part being stored of the batch under way, `rest` the parts that follow it. */
export interface WriterState {
  readonly channel: number;
  readonly queue: readonly ArchivedMessage[];
  readonly work: ArchiveBatch | undefined;
  readonly rest: readonly ArchiveBatch[];
  readonly attempt: number;
}

/** What happened. */
export type WriterInput =
  | { readonly kind: "opened"; readonly channel: number }
  | { readonly kind: "delivered"; readonly channel: number; readonly message: ArchivedMessage }
  | { readonly kind: "closed"; readonly channel: number }
  | { readonly kind: "stored" }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "failed" }
  | { readonly kind: "retry" };

/** What to do. */
export type WriterEffect =
  | { readonly kind: "append"; readonly batch: ArchiveBatch }
  | { readonly kind: "ack"; readonly channel: number; readonly tag: number }
  | { readonly kind: "retry-later"; readonly attempt: number };

/** A state and what to do now, in order. */
export interface WriterStep {
  readonly state: WriterState;
  readonly effects: readonly WriterEffect[];
}

/** Nothing delivered yet. */
export const idleWriter: WriterState = { channel: 0, queue: [], work: undefined, rest: [], attempt: 0 };

/** Bounds of a batch. */
export interface BatchSize {
  readonly events: number;
  readonly bytes: number;
}

/** One step. `size`: a batch takes whole messages, at least one, and no more than that. */
export function stepWriter(state: WriterState, input: WriterInput, size: BatchSize): WriterStep {
  switch (input.kind) {
    case "opened":
      return { state: { ...state, channel: input.channel, queue: [] }, effects: [] };
    case "closed":
      return input.channel === state.channel ? { state: { ...state, channel: 0, queue: [] }, effects: [] } : { state, effects: [] };
    case "delivered":
      if (input.channel !== state.channel) return { state, effects: [] };
      return next({ ...state, queue: [...state.queue, input.message] }, [], size);
    case "stored": {
      const { work } = state;
      if (work === undefined) return { state, effects: [] };
      const [part, ...rest] = state.rest;
      if (part !== undefined) return append({ ...state, rest }, part);
      const acks: WriterEffect[] = work.channel === state.channel ? [{ kind: "ack", channel: work.channel, tag: work.tag }] : [];
      return next({ ...state, work: undefined, attempt: 0 }, acks, size);
    }
    case "refused": {
      if (state.work === undefined) return { state, effects: [] };
      const halves = halve(state.work);
      if (halves !== undefined) return append({ ...state, rest: [halves[1], ...state.rest] }, halves[0]);
      const aside = setAside(state.work, input.detail);
      return aside === undefined ? later(state) : append(state, aside);
    }
    case "failed":
      return later(state);
    case "retry":
      return { state, effects: state.work === undefined ? [] : [{ kind: "append", batch: state.work }] };
  }
}

function later(state: WriterState): WriterStep {
  return { state: { ...state, attempt: state.attempt + 1 }, effects: [{ kind: "retry-later", attempt: state.attempt + 1 }] };
}

function append(state: WriterState, part: ArchiveBatch): WriterStep {
  return { state: { ...state, work: part, attempt: 0 }, effects: [{ kind: "append", batch: part }] };
}

function next(state: WriterState, before: readonly WriterEffect[], size: BatchSize): WriterStep {
  if (state.work !== undefined || state.queue.length === 0) return { state, effects: before };
  let [events, bytes, taken] = [0, 0, 0];
  for (const message of state.queue) {
    events += message.events.length;
    bytes += bytesOf(message);
    if (taken > 0 && (events > size.events || bytes > size.bytes)) break;
    taken += 1;
  }
  const messages = state.queue.slice(0, taken);
  const batch: ArchiveBatch = {
    channel: state.channel,
    tag: messages.at(-1)?.tag ?? 0,
    events: messages.flatMap((message) => message.events),
    quarantined: messages.flatMap((message) => message.rejected),
  };
  return { state: { ...state, queue: state.queue.slice(taken), work: batch }, effects: [...before, { kind: "append", batch }] };
}

function bytesOf({ events, rejected }: ArchivedMessage): number {
  return [...events, ...rejected].reduce((sum, each) => sum + sizeOf(each), 0);
}
