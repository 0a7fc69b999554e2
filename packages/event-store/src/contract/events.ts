import { create, toBinary } from "@bufbuild/protobuf";
import { decodeEvent, type EncodedBatch, type EventSlice } from "@warren/protocol";
import { PackSchema } from "@warren/protocol/v1";
import type { EventLog } from "../event-log.ts";

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
