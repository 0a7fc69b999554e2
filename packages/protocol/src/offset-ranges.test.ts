import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addRange, countBelow, covers, raiseMark, rangeFrom, settle, type OffsetRange, type Settled } from "./offset-ranges.ts";

const range = (first: number, last: number): OffsetRange => ({ first: BigInt(first), last: BigInt(last) });
const anyRange = fc
  .tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 0, max: 6 }))
  .map(([first, more]) => range(first, first + more));
const anyStep = fc.oneof(anyRange, fc.integer({ min: 0, max: 30 }));

/** What is settled, as a plain set: the model. */
function model(steps: readonly (OffsetRange | number)[]): Set<number> {
  const set = new Set<number>();
  for (const step of steps) {
    if (typeof step === "number") for (let offset = 1; offset <= step; offset += 1) set.add(offset);
    else for (let offset = Number(step.first); offset <= step.last; offset += 1) set.add(offset);
  }
  return set;
}

const apply = (steps: readonly (OffsetRange | number)[]): Settled =>
  steps.reduce<Settled>((settled, step) => (typeof step === "number" ? raiseMark(settled, BigInt(step)) : settle(settled, step)), {
    mark: 0n,
    ranges: [],
  });

describe("settled offsets", () => {
  test("are what was settled, in any order, with the mark as high as it can be", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 20 }), (steps) => {
        const expected = model(steps);
        const { mark, ranges } = apply(steps);
        let top = 0;
        while (expected.has(top + 1)) top += 1;
        expect(mark).toBe(BigInt(top));
        const above = [...expected].filter((offset) => offset > top).toSorted((a, b) => a - b);
        expect(ranges.flatMap(({ first, last }) => Array.from({ length: Number(last - first) + 1 }, (_, i) => Number(first) + i))).toEqual(
          above,
        );
        for (const [index, each] of ranges.entries()) {
          expect(each.first).toBeGreaterThan((ranges[index - 1]?.last ?? mark) + 1n);
          expect(each.last).toBeGreaterThanOrEqual(each.first);
        }
        for (const limit of [1, 10, 25, 60])
          expect(countBelow(ranges, BigInt(limit))).toBe(above.filter((offset) => offset < limit).length);
      }),
    );
  });

  test("cover what they hold, whatever the form it is asked in", () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 8 }), fc.array(anyStep, { maxLength: 4 }), (one, two) => {
        const [whole, part] = [model(one), model(two)];
        expect(covers(apply(one), apply(two))).toBe([...part].every((offset) => whole.has(offset)));
      }),
    );
  });

  test("find the next range from an offset on", () => {
    const ranges = [range(3, 4), range(8, 9)];
    expect(rangeFrom(ranges, 1n)).toEqual(range(3, 4));
    expect(rangeFrom(ranges, 4n)).toEqual(range(3, 4));
    expect(rangeFrom(ranges, 5n)).toEqual(range(8, 9));
    expect(rangeFrom(ranges, 10n)).toBeUndefined();
    expect(addRange(ranges, range(5, 7))).toEqual([range(3, 9)]);
  });
});
