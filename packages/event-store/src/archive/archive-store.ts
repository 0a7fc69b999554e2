import type { EventSlice, QuarantinedEvent } from "@warren/protocol";
import type { Event } from "@warren/protocol/v1";
import type { CallOptions } from "../event-log.ts";

/** Place in the archive: dense, first is 1n. Not an offset of a receiver's log. */
export type Position = bigint;

/** Which archived events. Undefined: all. Times in milliseconds since 1970. */
export interface ArchiveFilter {
  /** AMQP topic patterns on the type; any of them. Empty: all. */
  readonly patterns: readonly string[];
  readonly source?: string | undefined;
  /** Recorded at or after. */
  readonly fromTime?: number | undefined;
  /** Recorded before. */
  readonly toTime?: number | undefined;
}

/** An event and its place. */
export interface ArchivedEvent {
  readonly position: Position;
  /** Milliseconds since 1970. */
  readonly recordedAt: number;
  readonly event: Event;
}

/** What an append did. */
export type ArchiveAppendResult =
  /** Repeats were stored before, with the same type and data; conflicts (another event has the id) went to quarantine. */
  | { readonly kind: "stored"; readonly stored: number; readonly repeats: number; readonly conflicts: number }
  /** The database will never take some value, and does not say which (W12): nothing was written; find it by halves. */
  | { readonly kind: "refused"; readonly detail: string };

/**
 * Every event, once, a row each, so that SQL can ask anything. Appending the same events again is safe, also after an error of unknown outcome: the writer
 * repeats the whole batch. Errors: STORE_UNAVAILABLE when the database is away.
 */
export interface ArchiveStore {
  /** Stores what is new, in order, and quarantines, in one transaction. */
  append(events: readonly EventSlice[], quarantined: readonly QuarantinedEvent[], options?: CallOptions): Promise<ArchiveAppendResult>;
  /** Events after a position, in order, at most `limit`. */
  read(filter: ArchiveFilter, afterPosition: Position, limit: number, options?: CallOptions): Promise<readonly ArchivedEvent[]>;
  get(source: string, id: string, options?: CallOptions): Promise<ArchivedEvent | undefined>;
  count(filter: ArchiveFilter, options?: CallOptions): Promise<bigint>;
  /** Newest position; 0n when empty. */
  head(options?: CallOptions): Promise<Position>;
}
