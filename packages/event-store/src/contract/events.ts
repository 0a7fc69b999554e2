import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { decodeEvent, type EncodedBatch, type EventSlice } from "@warren/protocol";
import { PackSchema } from "@warren/protocol/v1";
import type { EventLog } from "../event-log.ts";
import type { EventIdentity } from "../event-keys.ts";

let ids = 0;

/** An event as a receiver would hand it over. */
export function slice(
  more: { readonly id?: string; readonly text?: string; readonly type?: string; readonly source?: string } = {},
): EventSlice {
  ids += 1;
  const { id = `e${ids}`, source = "/test", type = "t.a", text = `data of ${id}` } = more;
  const bytes = toBinary(PackSchema, create(PackSchema, { events: [{ id, source, type, body: { case: "text", value: text } }] }));
  return { bytes, id, source, type, deduplicated: true };
}

/** Another event with the key of this one, whose id is a UUIDv7: what chance makes once in 2^74 times. */
export function sharingKey({ source, id }: EventIdentity): EventIdentity {
  const maskOf = (each: string): bigint => createHash("sha256").update(each).digest().readBigUInt64BE();
  const lower = BigInt(`0x${id.replaceAll("-", "").slice(16)}`) + maskOf(source);
  for (let n = 0; ; n += 1) {
    const other = `/${n}`;
    const rest = BigInt.asUintN(64, lower - maskOf(other));
    const digits = rest.toString(16).padStart(16, "0");
    // The variant of a UUIDv7.
    if (rest >> 62n === 0b10n) return { source: other, id: `${id.slice(0, 19)}${digits.slice(0, 4)}-${digits.slice(4)}` };
  }
}

/** Events of a batch, decoded, as "offset:id". */
export function rowsOf(batches: readonly EncodedBatch[]): string[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) => {
      const start = i === 0 ? 0 : batch.eventEnds[i - 1];
      return `${batch.firstOffset + BigInt(i)}:${decodeEvent(batch.bytes.subarray(start, batch.eventEnds[i])).id}`;
    }),
  );
}

/** The segments of a read that is expected to give some. */
export async function segmentsOf(reading: ReturnType<EventLog["read"]>): Promise<readonly EncodedBatch[]> {
  const result = await reading;
  if (result.kind !== "segments") throw new Error(`got ${result.kind}`);
  return result.segments;
}
