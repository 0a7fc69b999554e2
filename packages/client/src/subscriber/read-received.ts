import { readBatch, WarrenError, type ReceivedBatch } from "@warren/protocol";

/** A batch as it came. Throws TRANSPORT_UNAVAILABLE when it is none: the stream is opened again. */
export function readReceived(bytes: Uint8Array): ReceivedBatch {
  const batch = readBatch(bytes);
  if (batch === undefined || batch.count === 0)
    throw new WarrenError("TRANSPORT_UNAVAILABLE", "the broker sent events that cannot be read");
  return batch;
}
