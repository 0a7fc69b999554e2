import { assert, batchBytes, type EncodedBatch } from "@warren/protocol";
import { EventBatchSchema, SubscribeResponseSchema } from "@warren/protocol/v1";
import { toEnvelope, type Envelope } from "@warren/service";

const lengthDelimited = 2;
const tags = {
  batch: SubscribeResponseSchema.field.batch.number * 8 + lengthDelimited,
  firstOffset: EventBatchSchema.field.firstOffset.number * 8,
  recordedAt: EventBatchSchema.field.recordedAt.number * 8 + lengthDelimited,
  // Of google.protobuf.Timestamp.
  seconds: 0x08,
  nanos: 0x10,
};
/** Tag and length of the batch, tag and offset, tag, length and content of the time. */
const headBytes = 6 + 9 + 2 + 16;

/** Writes batches for the stream in the binary codec, and remembers the last one: live consumers of one receiver are sent the same one after another. */
export class BatchMessages {
  #last: { readonly batch: EncodedBatch; readonly from: number; readonly to: number; readonly envelope: Envelope } | undefined;

  /** A SubscribeResponse with events `from` to `to - 1` of a batch. Nothing is decoded; many events are not copied. Throws ILLEGAL_STATE for an empty range. */
  encode(batch: EncodedBatch, from: number, to: number): Envelope {
    const last = this.#last;
    if (last?.batch === batch && last.from === from && last.to === to) return last.envelope;
    const events = batchBytes(batch, from, to);
    const envelope = toEnvelope(headOf(Number(batch.firstOffset) + from, batch.recordedAt, events.length), events);
    this.#last = { batch, from, to, envelope };
    return envelope;
  }
}

/** What comes before the events: they have the highest field number of a batch. By hand, for at a low rate the library's writer costs more than all else of a frame. */
function headOf(firstOffset: number, recordedAt: number, eventsBytes: number): Uint8Array {
  assert(Number.isSafeInteger(firstOffset) && recordedAt >= 0, () => `offset ${firstOffset} and time ${recordedAt} are written as varints`);
  // Backwards, for each length stands before what it counts.
  const head = new Uint8Array(headBytes);
  let at = head.length;
  const put = (tag: number, value: number): void => {
    at = varintBefore(head, varintBefore(head, at, value), tag);
  };
  const [seconds, millis] = [Math.floor(recordedAt / 1000), recordedAt % 1000];
  if (millis > 0) put(tags.nanos, millis * 1_000_000);
  if (seconds > 0) put(tags.seconds, seconds);
  put(tags.recordedAt, head.length - at);
  put(tags.firstOffset, firstOffset);
  put(tags.batch, head.length - at + eventsBytes);
  return head.subarray(at);
}

/** Writes a varint that ends at `end`; returns where it begins. */
function varintBefore(bytes: Uint8Array, end: number, value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size += 1;
  const start = end - size;
  let rest = value;
  for (let i = 0; i < size; i += 1) {
    bytes[start + i] = (rest % 0x80) + (i < size - 1 ? 0x80 : 0);
    rest = Math.floor(rest / 0x80);
  }
  return start;
}
