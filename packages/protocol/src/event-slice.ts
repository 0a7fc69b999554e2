/**
 * One event cut out of an AMQP message: its bytes as they will be stored, and what routing and identity need.
 * Its bytes were walked (W12): what is here decodes.
 */
export interface EventSlice {
  /** One element of `EventBatch.events`: tag 0x1a, length, Event. */
  readonly bytes: Uint8Array;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** False when we made the id, because the sender gave none that can be trusted: such an event is stored at least once. */
  readonly deduplicated: boolean;
}

/** Why no log can take an event. `refused`: the database does not take it, although it passed every check of ours. */
export const QuarantineReasons = ["malformed", "bad_text", "missing_attribute", "too_large", "id_conflict", "refused"] as const;
/** Why no log can take an event. */
export type QuarantineReason = (typeof QuarantineReasons)[number];

/** An event that no log can take: kept aside with its bytes, so that nothing is lost silently. */
export interface QuarantinedEvent {
  readonly reason: QuarantineReason;
  /** What was wrong, in words. */
  readonly detail: string;
  /** The event's bytes, or the whole message body when it could not be taken apart; empty when too large to keep. */
  readonly bytes: Uint8Array;
  /** As far as it could be read. */
  readonly source?: string | undefined;
  readonly id?: string | undefined;
  readonly type?: string | undefined;
}
