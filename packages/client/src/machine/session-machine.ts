import type { ErrorCode, Offset } from "@warren/protocol";

/*
 * The subscriber's side of a consumer's life. Pure. One session is open or being opened at a time (single flight); tokens only grow for the life of
 * the name; an event is handed to the application once per process, and acks outlive the session they were made in.
 *
 *   connecting --opened--> open --ended--> waiting --due--> connecting          closed and failed are final
 *        \---standby---> standby --opened--> open
 */

/** State. `handed`: last offset given to the application; `lowWater`: everything at or below it is done; `done`: offsets done above it. */
export interface SessionState {
  readonly phase: "connecting" | "standby" | "open" | "waiting" | "closed" | "failed";
  readonly newestToken: bigint;
  readonly logId: string;
  readonly handed: Offset;
  readonly lowWater: Offset;
  readonly done: ReadonlySet<Offset>;
  /** Last offset received in this session: no higher one may be acked in it. */
  readonly received: Offset;
  readonly ackSent: Offset;
  readonly saved: Offset;
  /** Failures in a row. */
  readonly attempt: number;
}

/** What happened. */
export type SessionInput =
  | { readonly kind: "opened"; readonly token: bigint; readonly logId: string; readonly afterOffset: Offset }
  | { readonly kind: "standby" }
  | { readonly kind: "batch"; readonly firstOffset: Offset; readonly count: number }
  /** Offsets up to and with `lastOffset` will not come. */
  | { readonly kind: "skipped"; readonly lastOffset: Offset }
  | { readonly kind: "acked"; readonly ackedOffset: Offset }
  | { readonly kind: "done"; readonly offset: Offset }
  | { readonly kind: "ended"; readonly code: ErrorCode | undefined }
  | { readonly kind: "due" }
  | { readonly kind: "close" };

/** What to do. */
export type SessionEffect =
  | { readonly kind: "connect" }
  | { readonly kind: "connect-later"; readonly attempt: number }
  /** Give events `from` and later of the batch to the application. */
  | { readonly kind: "hand-over"; readonly from: number }
  | { readonly kind: "ack"; readonly upTo: Offset }
  /** The stream is void: end it. */
  | { readonly kind: "drop-stream" }
  | { readonly kind: "finish"; readonly code: ErrorCode | undefined };

/** A state and what to do now, in order. */
export interface SessionStep {
  readonly state: SessionState;
  readonly effects: readonly SessionEffect[];
}

/** Not opened yet. */
export function startSession(): SessionStep {
  return {
    state: {
      phase: "connecting",
      newestToken: 0n,
      logId: "",
      handed: 0n,
      lowWater: 0n,
      done: new Set(),
      received: 0n,
      ackSent: 0n,
      saved: 0n,
      attempt: 0,
    },
    effects: [{ kind: "connect" }],
  };
}

/** Ends that opening again would not cure. */
const terminal: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "ACK_INVALID",
  "CLOSED",
  "CONFIG_INVALID",
  "CONFIG_MISMATCH",
  "CONSUMER_BUSY",
  "EXCHANGE_INVALID",
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
      const past = input.lastOffset > state.handed ? { ...state, handed: input.lastOffset, received: input.lastOffset } : state;
      // What will not come is done when everything before it is.
      return past.lowWater === state.handed ? ackable({ ...past, lowWater: past.handed }) : { state: past, effects: [] };
    }
    case "acked":
      return { state: input.ackedOffset > state.saved ? { ...state, saved: input.ackedOffset } : state, effects: [] };
    case "done":
      return done(state, input.offset);
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
      return { state: { ...state, phase: "closed" }, effects: [{ kind: "drop-stream" }, { kind: "finish", code: undefined }] };
  }
}

function opened(state: SessionState, { token, logId, afterOffset }: Extract<SessionInput, { kind: "opened" }>): SessionStep {
  // An answer that was under way for long: a newer session of this name was opened since.
  if (token < state.newestToken) return { state, effects: [{ kind: "drop-stream" }] };
  const sameLog = state.logId === logId;
  const lowWater = sameLog && state.lowWater > afterOffset ? state.lowWater : afterOffset;
  const handed = sameLog && state.handed > lowWater ? state.handed : lowWater;
  const kept = sameLog ? [...state.done].filter((offset) => offset > lowWater) : [];
  const next: SessionState = {
    ...state,
    phase: "open",
    newestToken: token,
    logId,
    lowWater,
    handed,
    done: new Set(kept),
    received: afterOffset,
    ackSent: afterOffset,
    attempt: 0,
  };
  return ackable(next);
}

function batch(state: SessionState, firstOffset: Offset, count: number): SessionStep {
  const last = firstOffset + BigInt(count - 1);
  const from = state.handed >= firstOffset ? Number(state.handed - firstOffset) + 1 : 0;
  const received = last > state.received ? last : state.received;
  const handed = last > state.handed ? last : state.handed;
  const { state: next, effects } = ackable({ ...state, received, handed });
  return { state: next, effects: from < count ? [{ kind: "hand-over", from }, ...effects] : effects };
}

/** Moves the low-water mark over everything done without a hole. */
function done(state: SessionState, offset: Offset): SessionStep {
  if (offset <= state.lowWater || offset > state.handed) return { state, effects: [] };
  const all = new Set(state.done).add(offset);
  let { lowWater } = state;
  while (all.delete(lowWater + 1n)) lowWater += 1n;
  return ackable({ ...state, done: all, lowWater });
}

/** Acks what is done and was received in this session: the broker knows nothing of earlier ones. */
function ackable(state: SessionState): SessionStep {
  const upTo = state.lowWater < state.received ? state.lowWater : state.received;
  if (state.phase !== "open" || upTo <= state.ackSent) return { state, effects: [] };
  return { state: { ...state, ackSent: upTo }, effects: [{ kind: "ack", upTo }] };
}
