import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { batchBytes, type EncodedBatch } from "@warren/protocol";
import { EventBatchSchema, SubscribeResponseSchema } from "@warren/protocol/v1";

/** A SubscribeResponse with a batch, in two parts: `events` are the stored bytes themselves, shared by whoever sends them. */
export interface BatchMessage {
  readonly head: Uint8Array;
  readonly events: Uint8Array;
}

const batchField = SubscribeResponseSchema.field.batch.number;

/** Events `from` to `to - 1` of a batch as a message for the stream, in the binary codec. Nothing is decoded or copied. Throws ILLEGAL_STATE for an empty range. */
export function batchMessage(batch: EncodedBatch, from: number, to: number): BatchMessage {
  const events = batchBytes(batch, from, to);
  // Without events: they follow, and have the highest number of its fields.
  const place = toBinary(
    EventBatchSchema,
    create(EventBatchSchema, { firstOffset: batch.firstOffset + BigInt(from), recordedAt: timestampFromMs(batch.recordedAt) }),
  );
  const head = new BinaryWriter()
    .tag(batchField, WireType.LengthDelimited)
    .uint32(place.length + events.length)
    .raw(place)
    .finish();
  return { head, events };
}
