import type { Offset } from "@warren/protocol";
import type { CallOptions, ConsumerRow, ReceiverRow } from "./state-store.ts";

/** How long a receiver's log keeps events: until one of the limits is reached. None set: for ever. */
export interface RetentionPolicy {
  /** Milliseconds. */
  readonly maxAgeMs: number | undefined;
  readonly maxBytes: number | undefined;
  /** What every consumer has settled goes. */
  readonly untilAcked: boolean;
  /** What a consumer has not settled stays, over every limit. */
  readonly hold: boolean;
}

/** Keeps everything: a receiver whose retention nobody set. */
export const keepEverything: RetentionPolicy = { maxAgeMs: undefined, maxBytes: undefined, untilAcked: false, hold: true };

/** A consumer that fell asleep, with the token of its last session. */
export interface Sleeper {
  readonly name: string;
  readonly sessionToken: bigint;
}

/** Where a consumer is, as it is saved. */
export interface ReaderRow {
  readonly name: string;
  readonly ackedOffset: Offset;
  readonly asleep: boolean;
}

/**
 * How long things live: events of a log, consumers that sleep, receivers that nobody uses. Errors as of StateStore; everything may be repeated. Times are the
 * database's own, so that they outlive a broker.
 */
export interface LifetimeStore {
  /** Undefined: no such receiver. */
  setRetention(receiverId: bigint, retention: RetentionPolicy, options?: CallOptions): Promise<ReceiverRow | undefined>;
  /** Undefined: never. Returns whether the consumer exists. */
  setExpiry(name: string, expireAfterMs: number | undefined, options?: CallOptions): Promise<boolean>;
  /**
   * These consumers of a receiver sleep from now on. Who sleeps already goes on sleeping, who was claimed since (another token) is awake. "all": a broker that
   * takes a receiver says so, because one that died left nothing behind.
   */
  markAsleep(receiverId: bigint, sleepers: readonly Sleeper[] | "all", options?: CallOptions): Promise<void>;
  /** All consumers of a receiver, whichever broker they were made on. */
  readers(receiverId: bigint, options?: CallOptions): Promise<readonly ReaderRow[]>;
  /** Forgets, with their parked events, the consumers that sleep for longer than they may; never one that is awake. Returns them. One statement. */
  expireConsumers(receiverId: bigint, options?: CallOptions): Promise<readonly ConsumerRow[]>;
  /** Somebody uses the receiver. */
  markUsed(receiverId: bigint, options?: CallOptions): Promise<void>;
  /**
   * Moves a `ready` receiver without consumers, not used for so many milliseconds, to `retiring`: from then on no consumer can be made on it. Returns whether
   * it is retiring.
   */
  retire(receiverId: bigint, unusedMs: number, options?: CallOptions): Promise<boolean>;
  /** Forgets a receiver that is `retiring`. Gone already: nothing happens. */
  removeReceiver(receiverId: bigint, options?: CallOptions): Promise<void>;
}
