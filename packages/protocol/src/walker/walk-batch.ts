import { assert } from "../assert.ts";
import type { EventSlice } from "../event-slice.ts";
import { WireReader } from "./wire.ts";

/** Field 3, length-delimited: how every element of `EventBatch.events` and `Pack.events` begins. */
export const eventTag = 0x1a;

/**
 * Where each event ends in the bytes of `EventBatch.events`: tags and lengths only, nothing is decoded. Undefined when the bytes are not a
 * whole number of events.
 */
export function eventEndsOf(bytes: Uint8Array): Uint32Array | undefined {
  const ends: number[] = [];
  const reader = new WireReader(bytes);
  while (!reader.done) {
    if (bytes[reader.position] !== eventTag) return undefined;
    reader.position += 1;
    const length = reader.length();
    if (length < 0) return undefined;
    reader.position += length;
    ends.push(reader.position);
  }
  return Uint32Array.from(ends);
}

/**
 * Slices one after another, as one stretch of bytes: what a segment is made of. Throws ILLEGAL_STATE for none. Slices that lie side by side in one
 * buffer (a whole pack) are not copied, unless that would keep a buffer alive that is more than twice as large: a segment may stay in memory long.
 */
export function joinSlices(slices: readonly Pick<EventSlice, "bytes">[]): { readonly bytes: Uint8Array; readonly eventEnds: Uint32Array } {
  const [first] = slices;
  assert(first !== undefined, "a segment has at least one event");
  const { buffer, byteOffset } = first.bytes;
  const eventEnds = new Uint32Array(slices.length);
  let size = 0;
  let together = true;
  slices.forEach(({ bytes }, index) => {
    together &&= bytes.buffer === buffer && bytes.byteOffset === byteOffset + size;
    size += bytes.length;
    eventEnds[index] = size;
  });
  if (together && buffer.byteLength <= 2 * size) return { bytes: new Uint8Array(buffer, byteOffset, size), eventEnds };
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const slice of slices) {
    bytes.set(slice.bytes, at);
    at += slice.bytes.length;
  }
  return { bytes, eventEnds };
}
