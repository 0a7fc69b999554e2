import { assert } from "../assert.ts";
import type { EventSlice } from "../event-slice.ts";
import { PackSlice, sizeOf } from "../pack-slice.ts";
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
  assert(slices.length > 0, "a segment has at least one event");
  const eventEnds = new Uint32Array(slices.length);
  let size = 0;
  slices.forEach((slice, index) => {
    size += sizeOf(slice);
    eventEnds[index] = size;
  });
  const views = viewsOf(slices);
  const whole = wholeOf(views, size);
  if (whole !== undefined) return { bytes: whole, eventEnds };
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const view of views) {
    bytes.set(view, at);
    at += view.length;
  }
  return { bytes, eventEnds };
}

/** The bytes of all slices: of neighbours in one pack one view, for each view costs as much as to copy a few hundred bytes. */
function viewsOf(slices: readonly Pick<EventSlice, "bytes">[]): readonly Uint8Array[] {
  const views: Uint8Array[] = [];
  for (let at = 0; at < slices.length;) {
    const first = slices[at];
    const next = endOfRun(slices, at);
    const last = slices[next - 1];
    if (first instanceof PackSlice && last instanceof PackSlice) views.push(first.body.subarray(first.from, last.to));
    else if (first !== undefined) views.push(first.bytes);
    at = next;
  }
  return views;
}

/** Index behind the last of the slices from `start` on that follow one another in one pack. */
function endOfRun(slices: readonly Pick<EventSlice, "bytes">[], start: number): number {
  let before = slices[start];
  for (let next = start + 1; ; next += 1) {
    const slice = slices[next];
    if (!(before instanceof PackSlice && slice instanceof PackSlice && slice.follows(before))) return next;
    before = slice;
  }
}

/** What the views show together when they lie side by side in a buffer that may be kept for them. */
function wholeOf(views: readonly Uint8Array[], size: number): Uint8Array | undefined {
  const [first] = views;
  if (first === undefined || first.buffer.byteLength > 2 * size) return undefined;
  const { buffer, byteOffset } = first;
  let end = byteOffset;
  for (const view of views) {
    if (view.buffer !== buffer || view.byteOffset !== end) return undefined;
    end += view.length;
  }
  return new Uint8Array(buffer, byteOffset, size);
}
