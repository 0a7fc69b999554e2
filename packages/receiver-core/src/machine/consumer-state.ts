import type { EncodedBatch, Offset, WarrenError } from "@warren/protocol";
import type { MissedGap, PrunedGap } from "@warren/event-store";
import type { AckMode, Frame, OnConflict, StopReason } from "../subscription.ts";

/** What a session asked for. Times in milliseconds. */
export interface SessionSpec {
  readonly sessionId: string;
  readonly instanceId: string;
  readonly onConflict: OnConflict;
  readonly ackMode: AckMode;
  readonly maxInFlight: number;
  readonly sessionTimeoutMs: number;
}

/** What the state store granted to a session, and the receiver's view of the log at that moment. */
export interface Grant {
  readonly token: bigint;
  /** The first event sent has a greater offset. */
  readonly afterOffset: Offset;
  readonly resumed: boolean;
  readonly receiverKey: string;
  readonly logId: string;
  readonly head: Offset;
  readonly tailFirst: Offset;
  /** Gaps this consumer has to be told, in order. */
  readonly gaps: readonly MissedGap[];
}

/** Offsets that are not there any more: told by a gap, never sent, never acked. */
export interface Skipped {
  readonly first: Offset;
  readonly last: Offset;
}

/** A consumer with a session. `next`: the offset sent next; `acked`: low-water mark in memory. */
export interface Awake {
  readonly session: SessionSpec;
  readonly token: bigint;
  readonly mode: "catching-up" | "live";
  readonly next: Offset;
  readonly acked: Offset;
  readonly head: Offset;
  readonly tailFirst: Offset;
  /** Missed gaps still to be told, in order. */
  readonly gaps: readonly MissedGap[];
  readonly skipped: readonly Skipped[];
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

/** A session whose name is being claimed. */
export interface Claiming {
  readonly session: SessionSpec;
  /** It left meanwhile: the grant is dropped. */
  readonly left: boolean;
}

/** State of one consumer name. Asleep: `awake` and `claiming` are undefined. */
export interface ConsumerState {
  /** Low-water mark while asleep. */
  readonly acked: Offset;
  readonly awake: Awake | undefined;
  readonly claiming: Claiming | undefined;
  /** Sessions that wait for the name, in order of arrival. */
  readonly waiting: readonly SessionSpec[];
}

/** What happened to a consumer. */
export type ConsumerInput =
  | { readonly kind: "open"; readonly session: SessionSpec }
  | { readonly kind: "claimed"; readonly sessionId: string; readonly grant: Grant }
  | { readonly kind: "claim-failed"; readonly sessionId: string; readonly error: WarrenError }
  /** The stream asks for its next frame: the one before was handed over. */
  | { readonly kind: "pull"; readonly sessionId: string }
  | { readonly kind: "stored"; readonly head: Offset; readonly tailFirst: Offset }
  | { readonly kind: "segments"; readonly sessionId: string; readonly segments: readonly EncodedBatch[] }
  | { readonly kind: "pruned"; readonly sessionId: string; readonly gap: PrunedGap }
  | { readonly kind: "read-failed"; readonly sessionId: string; readonly error: WarrenError }
  | { readonly kind: "read-retry"; readonly sessionId: string }
  | { readonly kind: "gap-recorded"; readonly gap: MissedGap }
  | { readonly kind: "ack"; readonly sessionId: string; readonly upTo: Offset }
  | { readonly kind: "ping"; readonly sessionId: string }
  | { readonly kind: "saved"; readonly token: bigint; readonly ackedOffset: Offset }
  /** Saving found a newer token: another broker gave the name away. */
  | { readonly kind: "fenced"; readonly token: bigint }
  | { readonly kind: "tick" }
  | { readonly kind: "stop"; readonly sessionId: string; readonly reason: StopReason }
  /** The receiver cannot serve any more: all sessions of the name end with `error`. */
  | { readonly kind: "shut"; readonly error: WarrenError };

/** What to do for a consumer. */
export type ConsumerEffect =
  /** Take the name in the state store (a new token), and answer with `claimed` or `claim-failed`. */
  | { readonly kind: "claim"; readonly session: SessionSpec }
  | { readonly kind: "emit"; readonly sessionId: string; readonly frame: Frame }
  | { readonly kind: "stand-by"; readonly sessionId: string }
  /** The tail holds `offset`: answer with `segments` at once. */
  | { readonly kind: "read-tail"; readonly sessionId: string; readonly offset: Offset }
  | { readonly kind: "read-log"; readonly sessionId: string; readonly afterOffset: Offset }
  | { readonly kind: "retry-read"; readonly sessionId: string; readonly attempt: number }
  /** Save asynchronously. */
  | { readonly kind: "save"; readonly token: bigint; readonly offset: Offset }
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
export function asleep(acked: Offset): ConsumerState {
  return { acked, awake: undefined, claiming: undefined, waiting: [] };
}

/** Events sent and not acked. */
export function inFlight(awake: Awake): number {
  let count = awake.next - 1n - awake.acked;
  for (const { first, last } of awake.skipped) {
    if (last > awake.acked) count -= last - (first > awake.acked ? first - 1n : awake.acked);
  }
  return Number(count);
}
