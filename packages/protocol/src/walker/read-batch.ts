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
  readonly count: number;
  /** Where in `bytes` the fields of event i begin (2 i) and end (2 i + 1). */
  readonly bounds: Uint32Array;
}

const firstOffsetTag = 0x08;
const recordedAtTag = 0x12;

/** Finds the events of an encoded `EventBatch`: tags and lengths only. Undefined when the bytes are none. */
export function readBatch(bytes: Uint8Array): ReceivedBatch | undefined {
  const reader = new WireReader(bytes);
  const bounds: number[] = [];
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
    if (tag === eventTag) bounds.push(from, reader.position);
    else recordedAt = timestampDate(fromBinary(TimestampSchema, bytes.subarray(from, reader.position)));
  }
  return { firstOffset, recordedAt, bytes, count: bounds.length / 2, bounds: Uint32Array.from(bounds) };
}
