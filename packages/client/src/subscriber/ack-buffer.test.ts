import { settle, type Settled } from "@warren/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AckBuffer } from "./ack-buffer.ts";

const nothing: Settled = { mark: 0n, ranges: [] };

describe("an ack buffer", () => {
  const first = { firstOffset: 1n, moves: 0n };
  const second = { firstOffset: 20n, moves: 0n };

  test("tells what was done, in whatever order and however often, in as few ranges as there are", () => {
    fc.assert(
      fc.property(fc.array(fc.bigInt({ min: 1n, max: 40n }), { minLength: 1 }), (offsets) => {
        const buffer = new AckBuffer();
        for (const offset of offsets) {
          const batch = offset < 20n ? first : second;
          buffer.add(batch, Number(offset - batch.firstOffset));
        }
        const { ranges, moves } = buffer.take() ?? { ranges: [] };
        expect(moves).toBe(0n);
        const expected = offsets.reduce((done, offset) => settle(done, { first: offset, last: offset }), nothing);
        expect(ranges.reduce(settle, nothing)).toEqual(expected);
        expect(ranges.length).toBe(expected.ranges.length + (expected.mark > 0n ? 1 : 0));
        expect(buffer.take()).toBeUndefined();
      }),
    );
  });

  test("holds events of one session at a time", () => {
    const buffer = new AckBuffer();
    buffer.add({ firstOffset: 3n, moves: 1n }, 2);
    expect([buffer.takes(1n), buffer.takes(2n)]).toEqual([true, false]);
    expect(buffer.take()).toEqual({ kind: "done", ranges: [{ first: 5n, last: 5n }], moves: 1n });
    expect(buffer.takes(2n)).toBe(true);
  });
});
