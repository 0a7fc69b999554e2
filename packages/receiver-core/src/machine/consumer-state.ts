import {
  countBelow,
  settle,
  type EncodedBatch,
  type Offset,
  type OffsetRange,
  type OffsetRanges,
  type Settled,
  type WarrenError,
} from "@warren/protocol";
import type { LogGap, MissedGap, PrunedGap } from "@warren/event-store";
import type { AckMode, Frame, OnConflict, OnGap, StopReason } from "../subscription.ts";
import type { LookedUp } from "./kept-name.ts";
import type { SentBytes } from "./sent-bytes.ts";
import type { SideEvent, Sides } from "./sides.ts";

/** What a session asked for. Times in milliseconds. */
export interface SessionSpec {
  readonly sessionId: string;
  readonly instanceId: string;
  readonly onConflict: OnConflict;
  readonly onGap: OnGap;
  readonly ackMode: AckMode;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly sessionTimeoutMs: number;
}

/** What the state store granted to a session, and the receiver's view of the log at that moment. */
export interface Grant {
  readonly token: bigint;
  /** The mark: the first event sent has a greater offset; and what is settled above it, which is not sent. */
  readonly settled: Settled;
  /** How often an operator moved the consumer. */
  readonly moves: bigint;
  /** Why it is paused. */
  readonly paused: string | undefined;
  /** There are parked events to be delivered again. */
  readonly retrying: boolean;
  readonly resumed: boolean;
  readonly receiverKey: string;
  readonly logId: string;
  /** The receiver that this very session moved the name away from; empty otherwise. */
  readonly migratedFrom: string;
  readonly head: Offset;
  readonly tailFirst: Offset;
  /** Gaps this consumer has to be told, in order. */
  readonly gaps: readonly MissedGap[];
}

/** A consumer with a session. `next`: the offset sent next; `settled`: acked and parked, in memory. */
export interface Awake {
  readonly session: SessionSpec;
  readonly token: bigint;
  /** How often an operator had moved the consumer when it was claimed. */
  readonly moves: bigint;
  readonly mode: "catching-up" | "live";
  readonly next: Offset;
  readonly settled: Settled;
  /** Of it, what is known to be saved. */
  readonly saved: Settled;
  readonly head: Offset;
  readonly tailFirst: Offset;
  /** Missed gaps still to be told, in order. */
  readonly gaps: readonly MissedGap[];
  /** Offsets that are not there any more: told by a gap, never sent; settled when something above them is acked, for then the gap was met. */
  readonly skipped: OffsetRanges;
  /** A session that fails at gaps has met one: it ends before anything after it is sent. */
  readonly failedAt: LogGap | undefined;
  readonly sides: Sides;
  readonly sent: SentBytes;
  /** The next event waits until bytes that were sent are settled. */
  readonly starved: boolean;
  /** Why nothing is sent. */
  readonly paused: string | undefined;
  /** The last settled events, oldest first: parked or acked. For the breaker. */
  readonly outcomes: readonly Outcome[];
  /** The stream asked for a frame and has none yet. */
  readonly pulling: boolean;
  readonly reading: boolean;
  /** Read and not yet sent. */
  readonly buffer: readonly EncodedBatch[];
  readonly readAttempt: number;
  /** Last sign of life of the subscriber. */
  readonly signAt: number;
  /** When the last frame was made. */
  readonly frameAt: number;
}

/** How an event was settled. */
export type Outcome = "acked" | "parked";

/** A session whose name is being claimed. */
export interface Claiming {
  readonly session: SessionSpec;
  /** It left meanwhile: the grant is dropped. */
  readonly left: boolean;
}

/** State of one consumer name. Asleep: `awake` and `claiming` are undefined. */
export interface ConsumerState {
  /** What is settled, while asleep. */
  readonly settled: Settled;
  readonly awake: Awake | undefined;
  readonly claiming: Claiming | undefined;
  /** Sessions that wait for the name, in order of arrival. */
  readonly waiting: readonly SessionSpec[];
  /** When a session last began to take the name over from another one. */
  readonly tookOverAt: number | undefined;
  /** When those that wait were last told so, all of them. */
  readonly standbyToldAt: number;
}

/** What happened to a consumer. */
export type ConsumerInput =
  | { readonly kind: "open"; readonly session: SessionSpec }
  | { readonly kind: "claimed"; readonly sessionId: string; readonly grant: Grant }
  | { readonly kind: "claim-failed"; readonly sessionId: string; readonly error: WarrenError }
  /** Answers `claim-later`. */
  | { readonly kind: "claim-due" }
  /** The stream asks for its next frame: the one before was handed over. */
  | { readonly kind: "pull"; readonly sessionId: string }
  /** The head moved, or the tail was shortened. `newest`: the last segment of the tail, so that who waits for it need not ask for it. */
  | { readonly kind: "stored"; readonly head: Offset; readonly tailFirst: Offset; readonly newest: EncodedBatch | undefined }
  | { readonly kind: "segments"; readonly sessionId: string; readonly segments: readonly EncodedBatch[] }
  | { readonly kind: "pruned"; readonly sessionId: string; readonly gap: PrunedGap }
  | { readonly kind: "read-failed"; readonly sessionId: string; readonly error: WarrenError }
  | { readonly kind: "read-retry"; readonly sessionId: string }
  | { readonly kind: "gap-recorded"; readonly gap: MissedGap }
  | {
      readonly kind: "ack";
      readonly sessionId: string;
      readonly upTo: Offset;
      readonly ranges: readonly OffsetRange[];
      /** Side deliveries that are done. */
      readonly deliveryIds: readonly bigint[];
    }
  /** An event of this session was set aside, and that is saved. */
  | { readonly kind: "parked"; readonly sessionId: string; readonly offset: Offset }
  /** Answers `load-sides`. `more`: there are others. */
  | { readonly kind: "sides"; readonly sessionId: string; readonly events: readonly SideEvent[]; readonly more: boolean }
  /** An operator had parked events retried. */
  | { readonly kind: "retry-asked" }
  /** Side deliveries are settled, by ack or park, and that is saved. */
  | { readonly kind: "sides-settled"; readonly sessionId: string; readonly deliveryIds: readonly bigint[] }
  | { readonly kind: "paused"; readonly reason: string }
  | { readonly kind: "resumed" }
  /** An operator moved the consumer: its sessions end with `error` and may open again. */
  | { readonly kind: "moved"; readonly settled: Settled; readonly error: WarrenError }
  | { readonly kind: "ping"; readonly sessionId: string }
  | { readonly kind: "saved"; readonly token: bigint; readonly settled: Settled }
  /** A newer session has the name: another broker gave it away. */
  | { readonly kind: "fenced"; readonly token: bigint }
  | LookedUp
  | { readonly kind: "tick" }
  | { readonly kind: "stop"; readonly sessionId: string; readonly reason: StopReason }
  /** The receiver cannot serve any more: all sessions of the name end with `error`. */
  | { readonly kind: "shut"; readonly error: WarrenError };

/** What to do for a consumer. */
export type ConsumerEffect =
  /** Take the name in the state store (a new token), and answer with `claimed` or `claim-failed`. */
  | { readonly kind: "claim"; readonly session: SessionSpec }
  /** The name was taken over a moment ago: answer with `claim-due` when the next one may. */
  | { readonly kind: "claim-later"; readonly afterMs: number }
  | { readonly kind: "emit"; readonly sessionId: string; readonly frame: Frame }
  | { readonly kind: "stand-by"; readonly sessionId: string }
  /** The tail holds `offset`: answer with `segments` at once. */
  | { readonly kind: "read-tail"; readonly sessionId: string; readonly offset: Offset }
  | { readonly kind: "read-log"; readonly sessionId: string; readonly afterOffset: Offset }
  | { readonly kind: "retry-read"; readonly sessionId: string; readonly attempt: number }
  /** Save asynchronously. */
  | { readonly kind: "save"; readonly token: bigint; readonly settled: Settled }
  /** Read parked events that are to be delivered again: answer with `sides`. */
  | { readonly kind: "load-sides"; readonly sessionId: string; readonly afterDeliveryId: bigint }
  /** Forget these parked events: answer with `sides-settled`. */
  | { readonly kind: "settle-sides"; readonly sessionId: string; readonly token: bigint; readonly deliveryIds: readonly bigint[] }
  /** Most of the last events were parked: pause the consumer, and answer with `paused`. */
  | { readonly kind: "pause"; readonly reason: string }
  /** No frame follows; `error` undefined: the stream ends without one. */
  | { readonly kind: "end"; readonly sessionId: string; readonly error: WarrenError | undefined }
  | { readonly kind: "woke"; readonly sessionId: string }
  | { readonly kind: "slept"; readonly sessionId: string; readonly reason: StopReason };

/** A state and what to do now, in order. */
export interface ConsumerStep {
  readonly state: ConsumerState;
  readonly effects: readonly ConsumerEffect[];
}

/** A consumer without a session. */
export function asleep(settled: Settled): ConsumerState {
  return { settled, awake: undefined, claiming: undefined, waiting: [], tookOverAt: undefined, standbyToldAt: 0 };
}

/** Events sent and not acked. What is gone may be acked too, in part or as a whole: it counts once. */
export function inFlight({ next, settled, skipped }: Awake): number {
  const { mark, ranges } = skipped.reduce(settle, settled);
  return Number(next - 1n - mark) - countBelow(ranges, next);
}
