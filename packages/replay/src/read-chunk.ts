import type { EventLog, ReadResult } from "@warren/event-store";
import { Limits, type Offset } from "@warren/protocol";

/** Bounds of one chunk. */
export interface ChunkSize {
  /** Default 4 000. */
  readonly events?: number | undefined;
  /** Default 1 MiB. */
  readonly bytes?: number | undefined;
}

/**
 * Reads the next chunk of a log for one reader. Bounds the memory of that reader: at most max(bytes, one segment), at most
 * events + one segment. Errors and abort are those of `EventLog.read`.
 */
export function readChunk(
  log: EventLog,
  receiverId: bigint,
  afterOffset: Offset,
  options: { readonly chunk?: ChunkSize | undefined; readonly signal: AbortSignal },
): Promise<ReadResult> {
  const { events = Limits.chunkEvents, bytes = Limits.chunkBytes } = options.chunk ?? {};
  return log.read({ receiverId, afterOffset, maxEvents: events, maxBytes: bytes }, { signal: options.signal });
}
