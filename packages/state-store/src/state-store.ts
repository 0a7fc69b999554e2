import type { Offset, OffsetRanges } from "@warren/protocol";
import type { LifetimeStore, RetentionPolicy } from "./lifetime-store.ts";
import type { ParkingStore } from "./parking-store.ts";

/** Which events a receiver takes; the identity of a receiver in its canonical form. */
export interface ReceiverConfig {
  readonly exchange: string;
  /** AMQP topic patterns. Canonical: sorted, without repeats. */
  readonly patterns: readonly string[];
}

/** `creating`: the queue may not exist yet. `ready`: queue and bindings exist. `retiring`: about to be removed. */
export type ReceiverPhase = "creating" | "ready" | "retiring";

/** A receiver as it is kept. */
export interface ReceiverRow {
  readonly receiverId: bigint;
  readonly configKey: string;
  readonly config: ReceiverConfig;
  readonly phase: ReceiverPhase;
  /** Since when its log is complete: when its queue was first bound, in milliseconds since 1970; undefined while `creating`. */
  readonly completeSince: number | undefined;
  readonly retention: RetentionPolicy;
}

/** A consumer as it is kept. */
export interface ConsumerRow {
  readonly name: string;
  readonly receiverId: bigint;
  /** Saved low-water mark: nothing at or below it is delivered again. */
  readonly ackedOffset: Offset;
  /** Saved above it: acked or parked. They are not delivered again either. */
  readonly ranges: OffsetRanges;
  /** Token of the newest session, or of an operator's move after it; 0n before the first. */
  readonly sessionToken: bigint;
  /** How often an operator moved it. */
  readonly moves: bigint;
  /** Why it is paused; undefined when it is not. */
  readonly paused: string | undefined;
  /** Forgotten after so many milliseconds asleep; undefined: never. */
  readonly expireAfterMs: number | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
}

/** Everything that survives a restart. */
export interface StoredState {
  readonly receivers: readonly ReceiverRow[];
  readonly consumers: readonly ConsumerRow[];
}

/** What became of claiming a name. */
export type ClaimResult =
  | { readonly kind: "claimed"; readonly consumer: ConsumerRow; readonly created: boolean }
  /** The name exists on another receiver. Nothing changed. */
  | { readonly kind: "other-receiver"; readonly consumer: ConsumerRow; readonly config: ReceiverConfig }
  /** The receiver is retiring, or gone. Nothing changed. */
  | { readonly kind: "retired" };

/** A name goes over to another receiver. */
export interface Migration {
  readonly name: string;
  /** Where it must be, with the token that must be its newest: nobody claimed or moved it since it was looked at. */
  readonly fromReceiverId: bigint;
  readonly sessionToken: bigint;
  readonly toReceiverId: bigint;
  /** Its place in the other log. */
  readonly ackedOffset: Offset;
  readonly ranges: OffsetRanges;
}

/** What became of a migration. Only `migrated` changed something. */
export type MigrationResult =
  | { readonly kind: "migrated"; readonly consumer: ConsumerRow }
  /** It is elsewhere, was claimed or moved, or is gone. */
  | { readonly kind: "changed" }
  /** The receiver it would go to is retiring, or gone. */
  | { readonly kind: "retired" }
  /** So many of its events are parked: their offsets belong to the log it would leave. */
  | { readonly kind: "parked"; readonly count: bigint };

/** What a consumer has settled, to be saved. */
export interface OffsetSave {
  readonly name: string;
  readonly sessionToken: bigint;
  readonly ackedOffset: Offset;
  /** Settled above it. */
  readonly ranges: OffsetRanges;
}

/** What became of one save: what is saved now, or that a newer session has the name. */
export type SaveResult =
  | { readonly kind: "saved"; readonly name: string; readonly ackedOffset: Offset; readonly ranges: OffsetRanges }
  | { readonly kind: "fenced"; readonly name: string };

/** Options of every call that waits. On abort a call rejects with `signal.reason`; what it had sent may still happen. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * What survives a restart. Creating is synchronous and safe to repeat; every method throws STORE_UNAVAILABLE when the database is away.
 * Every write is idempotent: after an error of unknown outcome the caller simply repeats it.
 */
export interface StateStore extends ParkingStore, LifetimeStore {
  /** Everything, in one snapshot. Called before the API says it is serving. */
  load(options?: CallOptions): Promise<StoredState>;
  /** Finds the receiver of a config key, or makes it in phase `creating`. Two calls at once make one row. */
  ensureReceiver(configKey: string, config: ReceiverConfig, options?: CallOptions): Promise<ReceiverRow>;
  /** Moves `creating` to `ready`; sets `completeSince` when it is not set. */
  markReady(receiverId: bigint, completeSince: number, options?: CallOptions): Promise<ReceiverRow>;
  /**
   * Takes a consumer name for a new session: makes the row when it does not exist (starting after `startAfter`), and gives a token from the
   * one database-wide sequence, in one statement (W6). The token of a name only grows, also after delete and re-create. From then on it is awake.
   * `expireAfterMs` is kept when the row is made.
   */
  claimConsumer(
    name: string,
    receiverId: bigint,
    startAfter: Offset,
    options?: CallOptions & { readonly expireAfterMs?: number | undefined },
  ): Promise<ClaimResult>;
  /** A token for a session without a name, from the same sequence. */
  nextToken(options?: CallOptions): Promise<bigint>;
  /**
   * Saves offsets: monotone and fenced by token, each name by itself. What was saved stays: a smaller mark changes nothing, ranges are added to those
   * that are there; so an older save that comes late takes nothing back. Answers what is saved now.
   */
  saveOffsets(saves: readonly OffsetSave[], options?: CallOptions): Promise<readonly SaveResult[]>;
  /** Consumers as they are kept, in one question, by name; without those that do not exist. */
  consumers(names: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, ConsumerRow>>;
  /** The consumer as it is kept, or undefined. */
  consumer(name: string, options?: CallOptions): Promise<ConsumerRow | undefined>;
  /**
   * An operator moves a consumer, back or ahead: with a new token, so that no save of an earlier session counts any more. What is parked above the
   * new place stays settled. Undefined: no such consumer.
   */
  moveConsumer(name: string, ackedOffset: Offset, options?: CallOptions): Promise<ConsumerRow | undefined>;
  /** Moves a name to another receiver, with a new token and one more move; all of it or nothing, and nothing while events of it are parked. */
  migrateConsumer(migration: Migration, options?: CallOptions): Promise<MigrationResult>;
  /** Pauses (with a reason) or resumes. Returns whether the consumer exists. */
  setPaused(name: string, reason: string | undefined, options?: CallOptions): Promise<boolean>;
  /** Forgets a consumer and its parked events. Returns it as it was, or undefined. */
  deleteConsumer(name: string, options?: CallOptions): Promise<ConsumerRow | undefined>;
}
