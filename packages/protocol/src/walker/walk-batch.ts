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

/** Slices one after another, as one stretch of bytes: what a segment is made of. Copies once, and not at all when there is one slice. */
export function joinSlices(slices: readonly Pick<EventSlice, "bytes">[]): { readonly bytes: Uint8Array; readonly eventEnds: Uint32Array } {
  const eventEnds = new Uint32Array(slices.length);
  let size = 0;
  slices.forEach((slice, index) => {
    size += slice.bytes.length;
    eventEnds[index] = size;
  });
  const [only] = slices;
  assert(only !== undefined, "a segment has at least one event");
  if (slices.length === 1) return { bytes: only.bytes, eventEnds };
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const slice of slices) {
    bytes.set(slice.bytes, at);
    at += slice.bytes.length;
  }
  return { bytes, eventEnds };
}
