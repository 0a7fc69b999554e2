import { halve, setAside, type AppendResult, type Claim, type KnownEvent } from "@warren/event-store";
import type { EncodedBatch, EventSlice, Offset, QuarantinedEvent } from "@warren/protocol";
import { cutKnown, mergeMessages, type Batch, type MergedBatch } from "./batch.ts";
import { addMessages, noMessages, takeMessages, type PendingMessage, type PendingMessages } from "./pending-messages.ts";

/*
 * The write side of a receiver: RabbitMQ's queue -> log. Pure: state and input in, state and effects out.
 *
 *   claiming --claimed--> running --fenced--> fenced          stopped is reached from everywhere
 *
 * Within `running` at most one append is in flight (`work`); what arrives meanwhile is the next batch, which may be formed while its append still has to wait (`next`):
 *
 *   idle --batch--> appending --appended--> idle
 *                   appending --known-----> appending (cut down to what is new)
 *                   appending --refused---> appending (its first half; the other is in `rest`; alone: set aside)
 *                   appending --unknown or head moved--> resolving --resolved--> appending | idle
 *                   appending | resolving --store away--> waiting --retry--> appending | resolving
 */

/** What the writer is doing with its one batch. */
export type Work =
  | { readonly kind: "idle" }
  | { readonly kind: "appending"; readonly batch: Batch }
  /** The outcome of an append is not known: frozen until it is known which events are stored (W2). */
  | { readonly kind: "resolving"; readonly batch: Batch }
  | { readonly kind: "waiting"; readonly batch: Batch; readonly after: "append" | "resolve" };

/**
 * State of the write side. `rest`: parts of the batch under way that follow `work`. `queue`: delivered and not yet in a batch, all of `channel`, as it was delivered;
 * `next`: the batch of what was delivered before that, formed ahead.
 * `deliveredTag`, `ackedTag`: newest message of `channel` that was delivered, and acked; `ackedHead`: the head then. `shed`: the queue is paused, for too much was held in memory. `missing`: the queue is gone, and that is not recorded yet. `attempt`: failures in a row.
 */
export interface ReceiverState {
  readonly phase: "claiming" | "running" | "fenced" | "stopped";
  readonly epoch: bigint;
  readonly head: Offset;
  readonly channel: number;
  readonly deliveredTag: number;
  readonly ackedTag: number;
  readonly ackedHead: Offset;
  readonly queue: PendingMessages;
  readonly next: MergedBatch | undefined;
  readonly shed: boolean;
  readonly missing: boolean;
  readonly work: Work;
  readonly rest: readonly Batch[];
  readonly attempt: number;
}

/** What happened. `failed`: the database is away, nothing was done. */
export type ReceiverInput =
  | { readonly kind: "claimed"; readonly claim: Claim }
  | { readonly kind: "claim-failed" }
  | { readonly kind: "opened"; readonly channel: number }
  /** One message or more, in order: what came together is stored together. */
  | { readonly kind: "delivered"; readonly channel: number; readonly messages: readonly PendingMessage[] }
  | { readonly kind: "closed"; readonly channel: number }
  /** The append under way leaves time: the next batch is formed of what waits. For speed alone, when no more could go into it. */
  | { readonly kind: "form-next" }
  | { readonly kind: "append-answered"; readonly result: AppendResult }
  | { readonly kind: "append-unknown" }
  | { readonly kind: "append-failed" }
  | { readonly kind: "resolved"; readonly epoch: bigint; readonly head: Offset; readonly known: readonly KnownEvent[] }
  | { readonly kind: "resolve-failed" }
  /** Epoch and head as the database has them, asked for now and then so that an idle writer learns that it was fenced. */
  | { readonly kind: "checked"; readonly epoch: bigint; readonly head: Offset }
  | { readonly kind: "retry" }
  /** All receivers together hold more than they may: this one gives back what it has not begun to store (W8). */
  | { readonly kind: "shed" }
  /** There is room again. */
  | { readonly kind: "room" }
  /** The queue is gone, with all it held. */
  | { readonly kind: "queue-missing" }
  | { readonly kind: "reclaim" }
  | { readonly kind: "stop" };

/** What to do. */
export type ReceiverEffect =
  | { readonly kind: "claim" }
  /** Consume the queue; only after the claim (W4). */
  | { readonly kind: "consume" }
  | {
      readonly kind: "append";
      readonly epoch: bigint;
      readonly head: Offset;
      readonly events: readonly EventSlice[];
      readonly quarantined: readonly QuarantinedEvent[];
    }
  /** These events are appended next, unless something comes between. */
  | { readonly kind: "prepare"; readonly events: readonly EventSlice[] }
  | { readonly kind: "resolve"; readonly events: readonly EventSlice[] }
  | { readonly kind: "ack"; readonly channel: number; readonly tag: number }
  /** Committed: hand it to the tail. */
  | { readonly kind: "publish"; readonly segment: EncodedBatch }
  /** The head moved by a segment that is not at hand. */
  | { readonly kind: "advance"; readonly head: Offset }
  | { readonly kind: "retry-later"; readonly attempt: number }
  /** What became known of events: `received` when their message is taken apart. */
  | { readonly kind: "count"; readonly received: number; readonly repeats: number; readonly quarantined: number }
  /** W9: record that events may be missing after the head, then make the queue again. */
  | { readonly kind: "record-missed"; readonly epoch: bigint }
  /** Another writer has the log: close the queue, end the sessions. */
  | { readonly kind: "give-up" }
  | { readonly kind: "pause-queue" }
  | { readonly kind: "resume-queue" }
  | { readonly kind: "close-queue" };

/** A state and what to do now, in order. */
export interface ReceiverStep {
  readonly state: ReceiverState;
  readonly effects: readonly ReceiverEffect[];
}

/** Bytes of messages that are in memory and not stored yet, as they were delivered: those that wait, and those of the batch under way. */
export function unstoredBytes({ queue, next, work }: ReceiverState): number {
  return queue.bytes + (next?.batch.bytes ?? 0) + (work.kind === "idle" ? 0 : work.batch.bytes);
}

const idle: Work = { kind: "idle" };

/** Nothing is being stored. */
const noWork = { work: idle, rest: [] } as const;

/** Nothing of the queue is held. */
const emptyQueue = { channel: 0, deliveredTag: 0, ackedTag: 0, ackedHead: 0n, queue: noMessages, next: undefined } as const;

/** A receiver that must first take its log. */
export function startReceiver(): ReceiverStep {
  return {
    state: { phase: "claiming", epoch: 0n, head: 0n, ...emptyQueue, shed: false, missing: false, ...noWork, attempt: 0 },
    effects: [{ kind: "claim" }],
  };
}

/** One step of the write side. Inputs that do not fit the state (late answers) change nothing. */
export function stepReceiver(state: ReceiverState, input: ReceiverInput): ReceiverStep {
  switch (input.kind) {
    case "stop":
      return { state: { ...state, phase: "stopped", ...emptyQueue, ...noWork }, effects: [{ kind: "close-queue" }] };
    case "reclaim":
      if (state.phase !== "fenced") return { state, effects: [] };
      return {
        state: { ...state, phase: "claiming", attempt: 0, ...emptyQueue, shed: false, missing: false, ...noWork },
        effects: [{ kind: "claim" }],
      };
    case "claimed":
      if (state.phase !== "claiming") return { state, effects: [] };
      return {
        state: { ...state, phase: "running", epoch: input.claim.epoch, head: input.claim.headOffset, attempt: 0 },
        effects: [{ kind: "advance", head: input.claim.headOffset }, { kind: "consume" }],
      };
    case "claim-failed":
      if (state.phase !== "claiming") return { state, effects: [] };
      return waitToRetry(state, state.work);
    case "retry":
      return retry(state);
    default:
      return state.phase === "running" ? stepRunning(state, input) : { state, effects: [] };
  }
}

type RunningInput = Exclude<ReceiverInput, { kind: "stop" | "reclaim" | "claimed" | "claim-failed" | "retry" }>;

function stepRunning(state: ReceiverState, input: RunningInput): ReceiverStep {
  switch (input.kind) {
    case "opened":
      return { state: { ...state, ...emptyQueue, channel: input.channel }, effects: [] };
    case "closed":
      // W1: what is not in an append is forgotten with its channel; it comes again.
      return { state: input.channel === state.channel ? { ...state, ...emptyQueue } : state, effects: [] };
    case "delivered":
      if (input.channel !== state.channel) return { state, effects: [] };
      return nextBatch(
        {
          ...state,
          deliveredTag: input.messages.at(-1)?.tag ?? state.deliveredTag,
          queue: addMessages(state.queue, input.messages),
        },
        [],
      );
    case "form-next":
      return formNext(state);
    case "shed":
      if (state.shed) return { state, effects: [] };
      return { state: { ...state, ...emptyQueue, shed: true }, effects: [{ kind: "pause-queue" }] };
    case "room":
      if (!state.shed) return { state, effects: [] };
      return { state: { ...state, shed: false }, effects: [{ kind: "resume-queue" }] };
    case "queue-missing":
      return recordMissed({ ...state, missing: true }, []);
    case "checked":
      if (input.epoch !== state.epoch) return fenced(state);
      // With an append in flight its own answer tells the head.
      if (state.work.kind !== "idle" || input.head <= state.head) return { state, effects: [] };
      return { state: { ...state, head: input.head }, effects: [{ kind: "advance", head: input.head }] };
    case "append-answered":
      return state.work.kind === "appending" ? appendAnswered(state, state.work.batch, input.result) : { state, effects: [] };
    case "append-unknown":
      return state.work.kind === "appending" ? resolve(state, state.work.batch) : { state, effects: [] };
    case "append-failed":
      return state.work.kind === "appending"
        ? waitToRetry(state, { kind: "waiting", batch: state.work.batch, after: "append" })
        : { state, effects: [] };
    case "resolve-failed":
      return state.work.kind === "resolving"
        ? waitToRetry(state, { kind: "waiting", batch: state.work.batch, after: "resolve" })
        : { state, effects: [] };
    case "resolved":
      return state.work.kind === "resolving" ? resolved(state, state.work.batch, input) : { state, effects: [] };
  }
}

function appendAnswered(state: ReceiverState, batch: Batch, result: AppendResult): ReceiverStep {
  switch (result.kind) {
    case "appended": {
      const { segment } = result;
      const head = segment === undefined ? state.head : segment.firstOffset + BigInt(segment.count - 1);
      const effects: ReceiverEffect[] = segment === undefined ? [] : [{ kind: "publish", segment }];
      return settle({ ...state, head, attempt: 0 }, batch, effects);
    }
    case "known":
      return appendRest({ ...state, attempt: 0 }, batch, result.known, []);
    case "head-moved":
      return resolve(state, batch);
    case "refused":
      return refused(state, batch, result.detail);
    case "fenced":
      return fenced(state);
  }
}

/** W12: one bad value costs one bisection. Both halves keep the place of the whole: its message is acked after the last part (W1). */
function refused(state: ReceiverState, batch: Batch, detail: string): ReceiverStep {
  const halves = halve(batch);
  if (halves !== undefined) return append({ ...state, attempt: 0, rest: [halves[1], ...state.rest] }, halves[0], []);
  const aside = setAside(batch, detail);
  // Not even the bare fact can be written down: nothing is dropped, it is tried again.
  if (aside === undefined) return waitToRetry(state, { kind: "waiting", batch, after: "append" });
  const effects: ReceiverEffect[] = batch.events.length > 0 ? [{ kind: "count", received: 0, repeats: 0, quarantined: 1 }] : [];
  return append({ ...state, attempt: 0 }, aside, effects);
}

function resolved(state: ReceiverState, batch: Batch, input: Extract<ReceiverInput, { kind: "resolved" }>): ReceiverStep {
  if (input.epoch !== state.epoch) return fenced(state);
  const moved = input.head > state.head;
  const effects: ReceiverEffect[] = moved ? [{ kind: "advance", head: input.head }] : [];
  return appendRest({ ...state, head: moved ? input.head : state.head, attempt: 0 }, batch, input.known, effects);
}

/** Cuts the batch down to what the log does not have, and appends that; acks when nothing is left. */
function appendRest(state: ReceiverState, batch: Batch, known: readonly KnownEvent[], before: ReceiverEffect[]): ReceiverStep {
  const { batch: rest, repeats, conflicts } = cutKnown(batch, known);
  const effects = repeats + conflicts > 0 ? [...before, { kind: "count" as const, received: 0, repeats, quarantined: conflicts }] : before;
  if (rest.events.length === 0 && rest.quarantined.length === 0) return settle(state, rest, effects);
  return append(state, rest, effects);
}

function append(state: ReceiverState, batch: Batch, before: readonly ReceiverEffect[]): ReceiverStep {
  const { events, quarantined } = batch;
  return {
    state: { ...state, work: { kind: "appending", batch } },
    effects: [...before, { kind: "append", epoch: state.epoch, head: state.head, events, quarantined }],
  };
}

function resolve(state: ReceiverState, batch: Batch): ReceiverStep {
  return { state: { ...state, work: { kind: "resolving", batch } }, effects: [{ kind: "resolve", events: batch.events }] };
}

/** The batch is stored (or known, or in quarantine): go on with its next part; after the last one ack it on its own channel (W1), and go on with what arrived meanwhile. */
function settle(state: ReceiverState, batch: Batch, before: readonly ReceiverEffect[]): ReceiverStep {
  const [part, ...rest] = state.rest;
  if (part !== undefined) return append({ ...state, rest }, part, before);
  if (batch.channel !== state.channel) return nextBatch({ ...state, work: idle }, before);
  const ack: ReceiverEffect = { kind: "ack", channel: batch.channel, tag: batch.tag };
  return nextBatch({ ...state, work: idle, ackedTag: batch.tag, ackedHead: state.head }, [ack, ...before]);
}

/** What waits becomes the next batch, while the one before it is being stored. */
function formNext(state: ReceiverState): ReceiverStep {
  if (state.work.kind === "idle" || state.next !== undefined || state.queue.front === undefined) return { state, effects: [] };
  const { next, queue } = takeBatch(state);
  return { state: { ...state, next, queue }, effects: [{ kind: "prepare", events: next.batch.events }] };
}

function takeBatch({ channel, queue }: ReceiverState): { readonly next: MergedBatch; readonly queue: PendingMessages } {
  const { taken, rest } = takeMessages(queue);
  return { next: mergeMessages(channel, taken), queue: rest };
}

function nextBatch(state: ReceiverState, before: readonly ReceiverEffect[]): ReceiverStep {
  if (state.work.kind !== "idle") return { state, effects: before };
  const { next } = state;
  if (next !== undefined) return begin({ ...state, next: undefined }, next, before);
  if (state.queue.front === undefined) return recordMissed(state, before);
  const taken = takeBatch(state);
  return begin({ ...state, queue: taken.queue }, taken.next, before);
}

function begin(rest: ReceiverState, { batch, received, repeats }: MergedBatch, before: readonly ReceiverEffect[]): ReceiverStep {
  const effects: readonly ReceiverEffect[] = [...before, { kind: "count", received, repeats, quarantined: batch.quarantined.length }];
  if (batch.events.length === 0 && batch.quarantined.length === 0) return settle(rest, batch, effects);
  return append(rest, batch, effects);
}

/** What is being stored came before the loss: its place is known when that is done. Else a consumer could pass the place before it is recorded. */
function recordMissed(state: ReceiverState, before: readonly ReceiverEffect[]): ReceiverStep {
  if (!state.missing || state.work.kind !== "idle") return { state, effects: before };
  return { state: { ...state, missing: false }, effects: [...before, { kind: "record-missed", epoch: state.epoch }] };
}

function waitToRetry(state: ReceiverState, work: Work): ReceiverStep {
  const attempt = state.attempt + 1;
  return { state: { ...state, work, attempt }, effects: [{ kind: "retry-later", attempt }] };
}

function retry(state: ReceiverState): ReceiverStep {
  if (state.phase === "claiming") return { state, effects: [{ kind: "claim" }] };
  if (state.phase !== "running" || state.work.kind !== "waiting") return { state, effects: [] };
  const { batch, after } = state.work;
  return after === "append" ? append(state, batch, []) : resolve(state, batch);
}

function fenced(state: ReceiverState): ReceiverStep {
  return {
    state: { ...state, phase: "fenced", ...emptyQueue, ...noWork },
    effects: [{ kind: "close-queue" }, { kind: "give-up" }],
  };
}
