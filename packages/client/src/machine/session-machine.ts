import {
  covers,
  raiseMark,
  settle,
  type ErrorCode,
  type Offset,
  type OffsetRange,
  type OffsetRanges,
  type Settled,
} from "@warren/protocol";
import { noSides, sideDone, sideFailed, sideReceived, sidesSettled, type SideEffect, type SideState } from "./side-machine.ts";

/*
 * The subscriber's side of a consumer's life. Pure. One session is open or being opened at a time (single flight); tokens only grow for the life of
 * the name; an event is handed to the application once per process, and what it settled outlives the session it was settled in.
 *
 *   connecting --opened--> open --ended--> waiting --due--> connecting          closed and failed are final
 *        \---standby---> standby --opened--> open
 */

/** Why an event is set aside. */
export interface Failure {
  readonly reason: string;
  readonly attempts: number;
}

/** State. */
export interface SessionState {
  readonly phase: "connecting" | "standby" | "open" | "waiting" | "closed" | "failed";
  readonly newestToken: bigint;
  readonly logId: string;
  /** How often an operator moved the consumer: what was handed over before a move counts no more. */
  readonly moves: bigint;
  /** Last offset given to the application. */
  readonly handed: Offset;
  /** What the application is done with, and what the broker said is settled. */
  readonly done: Settled;
  /** Events to be parked, until the broker says that they are settled. */
  readonly parks: ReadonlyMap<Offset, Failure>;
  /** Last offset received in this session: no higher one may be settled in it. */
  readonly received: Offset;
  /** Acked and parked in this session. */
  readonly ackSent: Settled;
  readonly parksSent: ReadonlySet<Offset>;
  readonly saved: Settled;
  readonly sides: SideState;
  /** Failures in a row. */
  readonly attempt: number;
}

/** What happened. `moves`: of the session in which the event was received. */
export type SessionInput =
  | {
      readonly kind: "opened";
      readonly token: bigint;
      readonly logId: string;
      readonly afterOffset: Offset;
      readonly settled: OffsetRanges;
      readonly moves: bigint;
    }
  | { readonly kind: "standby" }
  | { readonly kind: "batch"; readonly firstOffset: Offset; readonly count: number }
  /** These offsets will not come. */
  | { readonly kind: "skipped"; readonly firstOffset: Offset; readonly lastOffset: Offset }
  | { readonly kind: "acked"; readonly settled: Settled; readonly deliveryIds: readonly bigint[] }
  /** The application is done with these, in any order. */
  | { readonly kind: "done"; readonly ranges: readonly OffsetRange[]; readonly moves: bigint }
  | { readonly kind: "failed"; readonly offset: Offset; readonly moves: bigint; readonly failure: Failure }
  /** The broker cannot park this one. */
  | { readonly kind: "park-refused"; readonly offset: Offset }
  | { readonly kind: "side"; readonly deliveryId: bigint }
  | { readonly kind: "side-done"; readonly deliveryId: bigint }
  | { readonly kind: "side-failed"; readonly deliveryId: bigint; readonly failure: Failure }
  | { readonly kind: "ended"; readonly code: ErrorCode | undefined }
  | { readonly kind: "due" }
  | { readonly kind: "close" };

/** What to do. */
export type SessionEffect =
  | { readonly kind: "connect" }
  | { readonly kind: "connect-later"; readonly attempt: number }
  /** Give events `from` and later of the batch to the application. */
  | { readonly kind: "hand-over"; readonly from: number }
  /** All that is done, not only what is new: a later one may stand for it. */
  | { readonly kind: "ack"; readonly settled: Settled }
  | { readonly kind: "park"; readonly offset: Offset; readonly failure: Failure }
  | SideEffect
  /** The stream is void: end it. */
  | { readonly kind: "drop-stream" }
  /** Say what is still to be said, then end the stream. */
  | { readonly kind: "end-stream" }
  | { readonly kind: "finish"; readonly code: ErrorCode | undefined };

/** A state and what to do now, in order. */
export interface SessionStep {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

const nothing: Settled = { mark: 0n, ranges: [] };

/** Not opened yet. */
export function startSession(): SessionStep {
  return {
    state: {
      phase: "connecting",
      newestToken: 0n,
      logId: "",
      moves: 0n,
      handed: 0n,
      done: nothing,
      parks: new Map(),
      received: 0n,
      ackSent: nothing,
      parksSent: new Set(),
      saved: nothing,
      sides: noSides,
      attempt: 0,
    },
    effects: [{ kind: "connect" }],
  };
}

/** Ends that opening again would not cure. */
const terminal: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CLOSED",
  "CONFIG_INVALID",
  "CONFIG_MISMATCH",
  "CONSUMER_BUSY",
  "CONSUMER_DELETED",
  "EXCHANGE_INVALID",
  "GAP_MET",
  "LOG_LOST",
  "NAME_INVALID",
  "NOT_SUPPORTED",
  "OFFSET_OUT_OF_RANGE",
  "PAST_NOT_AVAILABLE",
  "PATTERN_INVALID",
  "REQUEST_INVALID",
  "TAKEN_OVER",
]);

/** One step. After `closed` or `failed` nothing changes any more. */
export function stepSession(state: SessionState, input: SessionInput): SessionStep {
  if (state.phase === "closed" || state.phase === "failed") return { state, effects: [] };
  switch (input.kind) {
    case "opened":
      return opened(state, input);
    case "standby":
      return { state: { ...state, phase: "standby", attempt: 0 }, effects: [] };
    case "batch":
      return batch(state, input.firstOffset, input.count);
    case "skipped": {
      // What will not come is done: the application was told.
      const done = settle(state.done, { first: input.firstOffset, last: input.lastOffset });
      const past = input.lastOffset > state.handed ? { ...state, handed: input.lastOffset } : state;
      const received = input.lastOffset > state.received ? input.lastOffset : state.received;
      return settled({ ...past, received, done });
    }
    case "acked":
      return acked(state, input.settled, input.deliveryIds);
    case "done":
      if (input.moves !== state.moves) return { state, effects: [] };
      return settled({ ...state, done: input.ranges.filter(({ last }) => last <= state.handed).reduce(settle, state.done) });
    case "failed": {
      if (input.moves !== state.moves || input.offset > state.handed) return { state, effects: [] };
      return settled({ ...state, parks: new Map(state.parks).set(input.offset, input.failure) });
    }
    case "park-refused": {
      const parks = new Map(state.parks);
      if (!parks.delete(input.offset)) return { state, effects: [] };
      return settled({ ...state, parks, done: settle(state.done, { first: input.offset, last: input.offset }) });
    }
    case "side":
      return withSides(state, sideReceived(state.sides, input.deliveryId));
    case "side-done":
      return withSides(state, sideDone(state.sides, input.deliveryId));
    case "side-failed":
      return withSides(state, sideFailed(state.sides, input.deliveryId, input.failure));
    case "ended":
      if (input.code !== undefined && terminal.has(input.code)) {
        return { state: { ...state, phase: "failed" }, effects: [{ kind: "finish", code: input.code }] };
      }
      return {
        state: { ...state, phase: "waiting", attempt: state.attempt + 1 },
        effects: [{ kind: "connect-later", attempt: state.attempt + 1 }],
      };
    case "due":
      return state.phase === "waiting"
        ? { state: { ...state, phase: "connecting" }, effects: [{ kind: "connect" }] }
        : { state, effects: [] };
    case "close":
      return { state: { ...state, phase: "closed" }, effects: [{ kind: "end-stream" }, { kind: "finish", code: undefined }] };
  }
}

function opened(state: SessionState, input: Extract<SessionInput, { kind: "opened" }>): SessionStep {
  const { token, logId, afterOffset, moves } = input;
  // An answer that was under way for long: a newer session of this name was opened since.
  if (token < state.newestToken) return { state, effects: [{ kind: "drop-stream" }] };
  const theirs: Settled = { mark: afterOffset, ranges: input.settled };
  const same = state.logId === logId && state.moves === moves;
  const done = same ? union(state.done, theirs) : theirs;
  return settled({
    ...state,
    phase: "open",
    newestToken: token,
    logId,
    moves,
    done,
    handed: same && state.handed > done.mark ? state.handed : done.mark,
    parks: same ? withoutSettled(state.parks, theirs) : new Map(),
    received: afterOffset,
    ackSent: theirs,
    parksSent: new Set(),
    saved: theirs,
    attempt: 0,
  });
}

function batch(state: SessionState, firstOffset: Offset, count: number): SessionStep {
  const last = firstOffset + BigInt(count - 1);
  const from = state.handed >= firstOffset ? Number(state.handed - firstOffset) + 1 : 0;
  const received = last > state.received ? last : state.received;
  const handed = last > state.handed ? last : state.handed;
  const { state: next, effects } = settled({ ...state, received, handed });
  return { state: next, effects: from < count ? [{ kind: "hand-over", from }, ...effects] : effects };
}

function acked(state: SessionState, saved: Settled, deliveryIds: readonly bigint[]): SessionStep {
  const next: SessionState = {
    ...state,
    saved: union(state.saved, saved),
    // What the broker told us need not be told back.
    ackSent: union(state.ackSent, saved),
    done: union(state.done, saved),
    parks: withoutSettled(state.parks, saved),
    sides: sidesSettled(state.sides, deliveryIds),
  };
  return settled(next);
}

/** Tells the broker what is settled and was received in this session: it knows nothing of earlier ones. */
function settled(state: SessionState): SessionStep {
  if (state.phase !== "open") return { state, effects: [] };
  const due = [...state.parks].filter(([offset]) => offset <= state.received && !state.parksSent.has(offset));
  const effects: SessionEffect[] = due.map(([offset, failure]) => ({ kind: "park", offset, failure }));
  const parksSent = due.length === 0 ? state.parksSent : new Set([...state.parksSent, ...due.map(([offset]) => offset)]);
  const mine = cut(state.done, state.received);
  if (covers(state.ackSent, mine)) return { state: { ...state, parksSent }, effects };
  return { state: { ...state, parksSent, ackSent: mine }, effects: [{ kind: "ack", settled: mine }, ...effects] };
}

function withSides(
  state: SessionState,
  { sides, effects }: { readonly sides: SideState; readonly effects: readonly SideEffect[] },
): SessionStep {
  return { state: { ...state, sides }, effects: state.phase === "open" ? effects : [] };
}

function union(one: Settled, two: Settled): Settled {
  return two.ranges.reduce(settle, raiseMark(one, two.mark));
}

/** What of it lies at or below `limit`. */
function cut({ mark, ranges }: Settled, limit: Offset): Settled {
  const below = ranges.filter(({ first }) => first <= limit).map(({ first, last }) => ({ first, last: last < limit ? last : limit }));
  return { mark: mark < limit ? mark : limit, ranges: below };
}

function withoutSettled(parks: ReadonlyMap<Offset, Failure>, by: Settled): ReadonlyMap<Offset, Failure> {
  if (parks.size === 0) return parks;
  return new Map([...parks].filter(([offset]) => !covers(by, { mark: 0n, ranges: [{ first: offset, last: offset }] })));
}
