import type { EncodedBatch, EventSlice, Offset, QuarantinedEvent, QuarantineReason } from "@warren/protocol";

/** Options of every call that waits. On abort a call rejects with `signal.reason`; what it had sent may still happen. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/** What a writer gets when it takes a log: everything below `epoch` can no longer append. */
export interface Claim {
  readonly epoch: bigint;
  readonly headOffset: Offset;
  /** Oldest kept offset; headOffset + 1n when nothing is kept. */
  readonly oldestOffset: Offset;
  /** Names this incarnation of the log. */
  readonly logId: string;
}

/** What an append of some events needs, made ahead. */
export interface PreparedEvents {
  readonly events: readonly EventSlice[];
}

/** One batch to append: consecutive new events, at the head the writer believes in. */
export interface AppendRequest {
  readonly receiverId: bigint;
  readonly epoch: bigint;
  /** Compared with the log's head: the append happens only when both are equal (W2). */
  readonly headOffset: Offset;
  /** May be empty when only `quarantined` is to be stored. No two have the same (source, id) when `deduplicated`. */
  readonly events: readonly EventSlice[];
  /** Stored in the same transaction. Storing the same one twice is one row. */
  readonly quarantined: readonly QuarantinedEvent[];
  /** Of `events`, from `EventLog.prepare`; of other events it does not count. */
  readonly prepared?: PreparedEvents | undefined;
}

/** What a log already has of some events. */
export interface KnownEvent {
  /** Index in the request's `events`. */
  readonly index: number;
  readonly offset: Offset;
  /** Same type and same data as stored: a repeat. Otherwise a conflict of ids. */
  readonly sameContent: boolean;
}

/** What became of an append. Only `appended` wrote something. */
export type AppendResult =
  /** The stored segment; undefined when there was nothing but quarantine. */
  | { readonly kind: "appended"; readonly segment: EncodedBatch | undefined }
  /** Some events are stored already: cut the batch down to what is new and append again. */
  | { readonly kind: "known"; readonly known: readonly KnownEvent[] }
  /** Another head than the request's, but the same epoch: an append of ours, thought lost, came late. */
  | { readonly kind: "head-moved"; readonly headOffset: Offset }
  /** A newer writer has the log. */
  | { readonly kind: "fenced" }
  /** The database will never take some value of the request, and does not say which (W12): find it by halves. `detail`: what the database said. */
  | { readonly kind: "refused"; readonly detail: string };

/** Reads a chunk. */
export interface ReadRequest {
  readonly receiverId: bigint;
  readonly afterOffset: Offset;
  /** At least 1. Segments are given whole: the last one may pass it. */
  readonly maxEvents: number;
  /** At least 1. Segments are given whole: the last one may pass it, and one is always given. */
  readonly maxBytes: number;
}

/** A range that retention removed. */
export interface PrunedGap {
  readonly kind: "pruned";
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly reason: string;
}

/** A time in which events may have passed the receiver unseen; it belongs after `afterOffset`. */
export interface MissedGap {
  readonly kind: "missed";
  readonly afterOffset: Offset;
  /** Milliseconds since 1970. */
  readonly fromTime: number;
  readonly toTime: number;
  readonly reason: string;
}

/** A recorded loss (W9). */
export type LogGap = PrunedGap | MissedGap;

/**
 * A chunk. Segments hold consecutive offsets; the first one holds `afterOffset + 1`, and may begin below it.
 * "Nothing" is never an answer: reading at or above the head throws OFFSET_OUT_OF_RANGE.
 */
export type ReadResult =
  | { readonly kind: "segments"; readonly segments: readonly EncodedBatch[] }
  /** What follows `afterOffset` was pruned: go on after `lastOffset`. */
  | { readonly kind: "pruned"; readonly gap: PrunedGap };

/** A stored segment without its events. */
export interface SegmentSize {
  readonly firstOffset: Offset;
  readonly lastOffset: Offset;
  readonly bytes: number;
  /** Milliseconds since 1970; never less than that of an earlier segment. */
  readonly recordedAt: number;
}

/** What a log holds: bytes of all segments, and a page of the oldest. */
export interface LogSizes {
  readonly keptBytes: number;
  readonly segments: readonly SegmentSize[];
}

/** Removes the oldest events of a log. */
export interface PruneRequest {
  readonly receiverId: bigint;
  /** Compared with the log's, as in an append: a writer that lost its log removes nothing. */
  readonly epoch: bigint;
  /** Whole segments below it go. */
  readonly beforeOffset: Offset;
  /** Told to whoever meets the gap. */
  readonly reason: string;
  /** At least 1. Of this step; segments go whole: the last one may pass it. */
  readonly maxEvents: number;
}

/** Records a time in which events may have passed unseen. */
export interface MissedRequest {
  readonly receiverId: bigint;
  /** Compared with the log's, as in an append. */
  readonly epoch: bigint;
  /** Milliseconds since 1970. */
  readonly fromTime: number;
  readonly toTime: number;
  /** Told to whoever meets the gap. */
  readonly reason: string;
}

/** What became of a prune. */
export interface PruneResult {
  readonly oldestOffset: Offset;
  /** Bytes of the segments that went in this step. */
  readonly bytes: number;
  /** Something below `beforeOffset` is left: prune again. */
  readonly more: boolean;
}

/** An event set aside because no log can take it. Its `bytes` are the first of them, at most `Limits.quarantineShownBytes`. */
export interface QuarantineRow extends QuarantinedEvent {
  readonly quarantineId: bigint;
  readonly reason: QuarantineReason;
  readonly recordedAt: number;
  /** All bytes that are kept. */
  readonly size: number;
}

/**
 * The log of each receiver: segments of events with dense offsets 1, 2, 3 …; written by one fenced writer, read by anyone.
 *
 * Errors of every method: STORE_UNAVAILABLE when the database is away and **nothing was done**. `append` alone may also throw
 * OUTCOME_UNKNOWN: it may have happened, may yet happen, or not; the writer asks `known` for the keys (W2), and never judges by the head.
 * NOT_FOUND when the receiver has no log.
 */
export interface EventLog {
  /** Makes the (empty) log of a receiver; nothing happens when it exists. */
  create(receiverId: bigint, options?: CallOptions): Promise<void>;
  /** Takes the log for a new writer: epoch + 1, and the head, in one statement (W4). STORE_UNAVAILABLE also when a newer version made it: it stays with who holds it. */
  claim(receiverId: bigint, options?: CallOptions): Promise<Claim>;
  /** Epoch and head as they are, for the holder of a claim to see whether it still holds. */
  status(receiverId: bigint, options?: CallOptions): Promise<Claim>;
  /** The same of many logs, in one question. A log that is not there is not among them. */
  statuses(receiverIds: readonly bigint[], options?: CallOptions): Promise<ReadonlyMap<bigint, Claim>>;
  /** Gives the log a new id, after it was found behind what consumers acked (W9). Returns the new id. Fenced by `epoch`: throws FENCED. */
  renew(receiverId: bigint, epoch: bigint, options?: CallOptions): Promise<string>;
  /**
   * Makes ahead what an append of this very array needs: bytes and keys, which take a millisecond for a full segment. Never throws; undefined: there is nothing to be
   * made ahead, or it cannot be made yet.
   */
  prepare(receiverId: bigint, events: readonly EventSlice[]): PreparedEvents | undefined;
  append(request: AppendRequest, options?: CallOptions): Promise<AppendResult>;
  /** Which of these events the log has (those with `deduplicated` by identity; the others by the id we made). */
  known(receiverId: bigint, events: readonly EventSlice[], options?: CallOptions): Promise<readonly KnownEvent[]>;
  read(request: ReadRequest, options?: CallOptions): Promise<ReadResult>;
  /** Offset just before the first event recorded at or after `time` (ms since 1970); the head when there is none. */
  offsetBefore(receiverId: bigint, time: number, options?: CallOptions): Promise<Offset>;
  /** Offsets of those of these events that the log has, by their index. */
  offsetsOf(
    receiverId: bigint,
    identities: readonly { readonly source: string; readonly id: string }[],
    options?: CallOptions,
  ): Promise<ReadonlyMap<number, Offset>>;
  /** Offset of an event by identity, or undefined. */
  find(receiverId: bigint, source: string, id: string, options?: CallOptions): Promise<Offset | undefined>;
  /** Sizes of at most `limit` segments after `afterOffset`, oldest first, and the bytes of all. */
  sizes(receiverId: bigint, afterOffset: Offset, limit: number, options?: CallOptions): Promise<LogSizes>;
  /**
   * Removes whole segments from the old end, with their keys, and records the gap (W9): one bounded step, one transaction. Throws FENCED when the epoch is another
   * one. May be repeated after an error of unknown outcome.
   */
  prune(request: PruneRequest, options?: CallOptions): Promise<PruneResult>;
  /**
   * Removes a log with all that belongs to it, in bounded steps: from the first one on no writer can append. True: it is gone (or never was); false: call it again.
   */
  drop(receiverId: bigint, options?: CallOptions): Promise<boolean>;
  /**
   * Records that events may have been missed after the head (W9). Throws FENCED when the epoch is another one: whoever has the log has read its gaps and would not
   * hear of this one.
   */
  recordMissed(missed: MissedRequest, options?: CallOptions): Promise<MissedGap>;
  /** All recorded gaps that concern offsets after `afterOffset`, in order; a missed gap concerns whoever has not passed its `afterOffset`. */
  gaps(receiverId: bigint, afterOffset: Offset, options?: CallOptions): Promise<readonly LogGap[]>;
  /** Newest first, at most `limit`. */
  quarantined(receiverId: bigint, limit: number, options?: CallOptions): Promise<readonly QuarantineRow[]>;
}
