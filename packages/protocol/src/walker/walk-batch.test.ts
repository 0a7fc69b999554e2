import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { unpack } from "../amqp/pack.ts";
import { encodeEvent } from "../event.ts";
import { newEvent } from "../testing/any-event.ts";
import { eventEndsOf, joinSlices } from "./walk-batch.ts";

const slices = [1, 2, 3].map((n) => encodeEvent(newEvent({ id: `e${n}`, subject: "x".repeat(n * 70) })));
const joined = joinSlices(slices);

/** The slices as views of one buffer with `before` other bytes in front of them. */
function views(before: number): { readonly bytes: Uint8Array }[] {
  const buffer = new Uint8Array(before + joined.bytes.length);
  buffer.set(joined.bytes, before);
  return slices.map(({ bytes }, i) => {
    const end = before + (joined.eventEnds[i] ?? 0);
    return { bytes: buffer.subarray(end - bytes.length, end) };
  });
}

describe("joinSlices()", () => {
  test("puts the bytes one after another and tells where each ends", () => {
    expect(joined.bytes).toEqual(Uint8Array.from(slices.flatMap(({ bytes }) => [...bytes])));
    expect(joined.eventEnds).toEqual(eventEndsOf(joined.bytes));
  });

  test("does not copy what lies side by side in one buffer", () => {
    const side = views(10);
    const { bytes, eventEnds } = joinSlices(side);
    expect(bytes.buffer).toBe(side[0]?.bytes.buffer);
    expect({ bytes, eventEnds }).toEqual(joined);
  });

  test("copies what has a hole, another order, or a much larger buffer", () => {
    const [a, b, c] = views(0);
    if (a === undefined || b === undefined || c === undefined) throw new Error("three slices");
    for (const part of [[a, c], [b, a], [a]]) {
      const { bytes } = joinSlices(part);
      expect(bytes.buffer).not.toBe(a.bytes.buffer);
      expect(bytes).toEqual(Uint8Array.from(part.flatMap((slice) => [...slice.bytes])));
    }
    expect(joinSlices(views(10_000)).bytes.buffer.byteLength).toBe(joined.bytes.length);
  });

  test("puts together what is left of packs", () => {
    // Of the same sizes, so that an event of one could be taken for the next one of the other.
    const others = [1, 2, 3].map((n) => encodeEvent(newEvent({ id: `o${n}`, subject: "y".repeat(n * 70) })));
    const [a, b] = [slices, others].map((each) => [...unpack(joinSlices(each).bytes).events]);
    if (a === undefined || b === undefined) throw new Error("two packs");
    const parts = [a, a.slice(1), [a[0], a[2]], a.toReversed(), [...a, ...b], [a[0], b[1], b[2]], [b[1], a[1], slices[2], a[2]]];
    for (const part of parts) {
      const left = part.filter((slice) => slice !== undefined);
      const { bytes, eventEnds } = joinSlices(left);
      expect(bytes).toEqual(Uint8Array.from(left.flatMap((slice) => [...slice.bytes])));
      expect(eventEnds).toEqual(eventEndsOf(bytes));
    }
    expect(joinSlices(a).bytes.buffer).toBe(a[0]?.bytes.buffer);
    expect(joinSlices(a.slice(0, 1)).bytes.buffer).not.toBe(a[0]?.bytes.buffer);
  });

  test("refuses to make a segment of nothing", () => {
    expect(() => joinSlices([])).toThrow(expect.objectContaining({ code: "ILLEGAL_STATE" }) as Error);
  });
});

describe("eventEndsOf()", () => {
  test("gives undefined for anything but a whole number of events, and never throws", () => {
    const whole = new Set([0, ...joined.eventEnds]);
    for (let cut = 0; cut <= joined.bytes.length; cut += 1) {
      expect(eventEndsOf(joined.bytes.subarray(0, cut)) !== undefined).toBe(whole.has(cut));
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void eventEndsOf(bytes)));
  });
});
