import type { Offset, OffsetRanges } from "@warren/protocol";
import type { CallOptions } from "./state-store.ts";

/** An event to set aside for one consumer. */
export interface Park {
  readonly name: string;
  /** Of the session that parks: an older one parks nothing. */
  readonly sessionToken: bigint;
  readonly offset: Offset;
  readonly reason: string;
  /** How often it was tried. */
  readonly attempts: number;
  /** When the log stored the event, milliseconds since 1970. */
  readonly recordedAt: number;
  /** The event as one element of `EventBatch.events`: kept, so that retention of the log does not take it. */
  readonly bytes: Uint8Array;
}

/** What became of it: what the consumer has settled now, or that a newer session has the name. */
export type ParkResult =
  | { readonly kind: "parked"; readonly ackedOffset: Offset; readonly ranges: OffsetRanges }
  | { readonly kind: "fenced" };

/** A parked event. */
export interface ParkedRow {
  readonly offset: Offset;
  readonly reason: string;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly parkedAt: number;
  readonly recordedAt: number;
  readonly bytes: Uint8Array;
  /** It was asked to be retried under this delivery id, and is not settled yet. */
  readonly deliveryId: bigint | undefined;
}

/** A parked event that is to be delivered again. */
export type RetryingRow = ParkedRow & { readonly deliveryId: bigint };

/**
 * Parked events: one row for each consumer and offset. A parked event is settled for its consumer in the same statement. Offsets without a list mean all.
 * Every method throws STORE_UNAVAILABLE when the database is away, and may be repeated.
 */
export interface ParkingStore {
  /** Sets an event aside; parked already: reason and attempts (the greater ones) are replaced. */
  park(park: Park, options?: CallOptions): Promise<ParkResult>;
  /** A retried event failed again: parked with a new reason, attempts added, its delivery ended; not under way any more: nothing happens. False when a newer session has the name. */
  parkAgain(
    again: {
      readonly name: string;
      readonly sessionToken: bigint;
      readonly deliveryId: bigint;
      readonly reason: string;
      readonly attempts: number;
    },
    options?: CallOptions,
  ): Promise<boolean>;
  /** Retried events that are done: their rows go. False when a newer session has the name. */
  settleRetried(name: string, sessionToken: bigint, deliveryIds: readonly bigint[], options?: CallOptions): Promise<boolean>;
  /** Those to be delivered again, in the order in which they were asked for; greater delivery ids only. */
  retrying(name: string, afterDeliveryId: bigint, limit: number, options?: CallOptions): Promise<readonly RetryingRow[]>;
  /** Greater offsets only, in order. */
  parked(name: string, afterOffset: Offset, limit: number, options?: CallOptions): Promise<readonly ParkedRow[]>;
  /** How many each consumer has; none: not in the map. */
  parkedCounts(options?: CallOptions): Promise<ReadonlyMap<string, bigint>>;
  /** Gives parked events a delivery id; those that have one keep it. Returns how many it concerns; with `dryRun` nothing is done. */
  retryParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean, options?: CallOptions): Promise<bigint>;
  /** Forgets parked events; they stay settled. Returns how many; with `dryRun` nothing is done. */
  discardParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean, options?: CallOptions): Promise<bigint>;
}
