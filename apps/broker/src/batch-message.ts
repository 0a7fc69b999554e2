import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { batchBytes, type EncodedBatch } from "@warren/protocol";
import { EventBatchSchema, SubscribeResponseSchema } from "@warren/protocol/v1";
import { toEnvelope, type Envelope } from "@warren/service";

const batchField = SubscribeResponseSchema.field.batch.number;

/** Writes batches for the stream in the binary codec, and remembers the last one: live consumers of one receiver are sent the same one after another. */
export class BatchMessages {
  #last: { readonly batch: EncodedBatch; readonly from: number; readonly to: number; readonly envelope: Envelope } | undefined;

  /** A SubscribeResponse with events `from` to `to - 1` of a batch. Nothing is decoded; many events are not copied. Throws ILLEGAL_STATE for an empty range. */
  encode(batch: EncodedBatch, from: number, to: number): Envelope {
    const last = this.#last;
    if (last?.batch === batch && last.from === from && last.to === to) return last.envelope;
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
    const envelope = toEnvelope(head, events);
    this.#last = { batch, from, to, envelope };
    return envelope;
  }
}
