import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate, TimestampSchema } from "@bufbuild/protobuf/wkt";
import type { Offset } from "../encoded-batch.ts";
import { eventTag } from "./walk-batch.ts";
import { WireReader } from "./wire.ts";

/** An `EventBatch` as it came: where its events lie, and nothing decoded. */
export interface ReceivedBatch {
  readonly firstOffset: Offset;
  readonly recordedAt: Date;
  readonly bytes: Uint8Array;
  /** What `bytes` lies in: asking a view for it is a call out of compiled code. */
  readonly memory: ArrayBufferLike;
  readonly count: number;
  /** Where in `bytes` the fields of event i begin (2 i) and end (2 i + 1), for each of `count`; what follows means nothing. */
  readonly bounds: Uint32Array;
}

const firstOffsetTag = 0x08;
const recordedAtTag = 0x12;

/** Finds the events of an encoded `EventBatch`: tags and lengths only. Undefined when the bytes are none. */
export function readBatch(bytes: Uint8Array): ReceivedBatch | undefined {
  const reader = new WireReader(bytes);
  let bounds = new Uint32Array(firstBounds);
  let count = 0;
  let firstOffset: Offset = 0n;
  let recordedAt = new Date(0);
  while (!reader.done) {
    const tag = reader.tag();
    if (tag === firstOffsetTag) {
      const offset = reader.signed();
      if (offset === undefined) return undefined;
      firstOffset = BigInt(offset);
      continue;
    }
    if (tag !== eventTag && tag !== recordedAtTag) {
      if (tag < 0 || !reader.skip(tag % 8)) return undefined;
      continue;
    }
    const length = reader.length();
    if (length < 0) return undefined;
    const from = reader.position;
    reader.position += length;
    if (tag === eventTag) {
      // As if the others were as large as those until now.
      if (2 * count === bounds.length) bounds = grown(bounds, bytes.length / from);
      bounds[2 * count] = from;
      bounds[2 * count + 1] = reader.position;
      count += 1;
    } else {
      recordedAt = timestampDate(fromBinary(TimestampSchema, bytes.subarray(from, reader.position)));
    }
  }
  return { firstOffset, recordedAt, bytes, memory: bytes.buffer, count, bounds };
}

/** Room for a few events. */
const firstBounds = 16;

/** At least twice as much room. */
function grown(bounds: Uint32Array<ArrayBuffer>, factor: number): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(bounds.length * Math.ceil(Math.max(2, factor)));
  more.set(bounds);
  return more;
}
