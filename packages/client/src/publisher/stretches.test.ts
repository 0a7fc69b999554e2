import { expect, test } from "vitest";
import { Stretches, type Stretch } from "./stretches.ts";

/** So many stretches, each of them full. */
function fill(stretches: Stretches, count: number): readonly Stretch[] {
  return Array.from({ length: count }, () => {
    const stretch = stretches.hold();
    stretch.at = stretch.bytes.length;
    return stretch;
  });
}

test("the memory of 4 MiB of packs that were under way at once is used again when they are settled, and no more is kept", () => {
  const stretches = new Stretches();
  const first = fill(stretches, 20);
  for (const stretch of first) stretches.release(stretch);
  const known = new Set(first.map(({ bytes }) => bytes));
  // The one that packs are added to is kept besides.
  const again = fill(stretches, 20).filter(({ bytes }) => known.has(bytes));
  expect(again.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBe(4 * 1024 * 1024 + (first[0]?.bytes.length ?? 0));
  expect(new Set(again).size).toBe(again.length);
});
