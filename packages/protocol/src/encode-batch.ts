import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { WireType } from "@bufbuild/protobuf/wire";
import { assert } from "./assert.ts";
import type { EncodedBatch } from "./encoded-batch.ts";
import { EventBatchSchema, type EventBatch } from "./gen/warren/v1/event_pb.ts";
import { eventTag } from "./walker/walk-batch.ts";

/** How the messages of a call are written. */
export type Codec = "proto" | "json";

let decoded = 0;

/** How many events were decoded to be sent so far in this process: 0 on the binary path. For tests and metrics. */
export function decodedToSend(): number {
  return decoded;
}

/** Bytes of events `from` to `to - 1` of a batch: a view. Throws ILLEGAL_STATE for an empty range. */
export function batchBytes(batch: EncodedBatch, from: number, to: number): Uint8Array {
  assert(from >= 0 && from < to && to <= batch.count, () => `events ${from} to ${to} of ${batch.count}`);
  const start = from === 0 ? 0 : (batch.eventEnds[from - 1] ?? 0);
  const bytes = batch.bytes.subarray(start, batch.eventEnds[to - 1]);
  assert(bytes[0] === eventTag, "an event begins with its tag");
  return bytes;
}

/**
 * Events `from` to `to - 1` of a batch as a message for the stream. In `proto` the stored bytes are carried as an unknown field, which protobuf-es
 * writes as it is: nothing is decoded, and the wire is the same. In `json` unknown fields would vanish, so the events are decoded.
 * The result's `events` are empty in `proto`: only send it, never read it. Throws ILLEGAL_STATE for an empty range.
 */
export function encodeBatch(batch: EncodedBatch, from: number, to: number, codec: Codec): EventBatch {
  const bytes = batchBytes(batch, from, to);
  const message = create(EventBatchSchema, {
    firstOffset: batch.firstOffset + BigInt(from),
    recordedAt: timestampFromMs(batch.recordedAt),
  });
  // The tag is written by the encoder; what follows it is length, event, and all further events with their own tags.
  message.$unknown = [{ no: 3, wireType: WireType.LengthDelimited, data: bytes.subarray(1) }];
  if (codec === "proto") return message;
  decoded += to - from;
  return fromBinary(EventBatchSchema, toBinary(EventBatchSchema, message));
}
