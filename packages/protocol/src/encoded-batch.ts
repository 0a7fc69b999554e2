/** A place in a receiver's log: the first event has 1n, then dense. 0n stands for "before the first". */
export type Offset = bigint;

/**
 * Consecutive events of one log as the bytes of `EventBatch.events`: what is stored is what is sent.
 * The only form in which events move between packages. **Invariant:** `count >= 1`, `bytes` is `eventEnds[count - 1]` long.
 */
export interface EncodedBatch {
  /** Offset of the first event. */
  readonly firstOffset: Offset;
  /** How many events. */
  readonly count: number;
  /** Field 3 of EventBatch, repeated: tag 0x1a, length, Event. Never changed after it was made. */
  readonly bytes: Uint8Array;
  /** Where each event ends in `bytes`; event i begins where event i - 1 ends. */
  readonly eventEnds: Uint32Array;
  /** When the log stored them, in milliseconds since 1970. */
  readonly recordedAt: number;
}

/** Offset of the last event of a batch. */
export function lastOffsetOf(batch: EncodedBatch): Offset {
  return batch.firstOffset + BigInt(batch.count - 1);
}
