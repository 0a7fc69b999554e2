import { Limits } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { lookAfter, placeInNewLog, type LookedUp } from "./plan-migration.ts";

const known = (offset: bigint, old: bigint): LookedUp => ({ offset, old, matchesOld: true });
const onlyNew = (offset: bigint): LookedUp => ({ offset, old: undefined, matchesOld: false });
const onItsWay = (offset: bigint): LookedUp => ({ offset, old: undefined, matchesOld: true });
const range = (first: bigint, last: bigint) => ({ first, last });

describe("placeInNewLog()", () => {
  test("begins after the pivot when the logs agree", () => {
    const events = [onlyNew(1n), known(2n, 40n), known(3n, 41n), onlyNew(4n), known(5n, 42n)];
    expect(placeInNewLog(3n, 0n, events, { mark: 41n, ranges: [] })).toEqual({ mark: 3n, ranges: [] });
  });

  test("leaves open what the old log has un-settled, or may still get, before the pivot", () => {
    const events = [known(1n, 39n), known(2n, 42n), onItsWay(3n), onlyNew(4n), known(5n, 41n)];
    expect(placeInNewLog(5n, 0n, events, { mark: 41n, ranges: [] })).toEqual({ mark: 1n, ranges: [range(4n, 5n)] });
  });

  test("does not repeat what was settled above the pivot, and leaves the rest there open", () => {
    const events = [known(10n, 40n), onlyNew(11n), known(12n, 39n), known(13n, 42n), known(14n, 44n)];
    expect(placeInNewLog(10n, 9n, events, { mark: 40n, ranges: [range(44n, 44n)] })).toEqual({
      mark: 10n,
      ranges: [range(12n, 12n), range(14n, 14n)],
    });
  });

  test("lists as many ranges as one may, from below", () => {
    const events = Array.from({ length: 5_000 }, (_, i) => (i % 2 === 0 ? onItsWay(BigInt(i + 1)) : known(BigInt(i + 1), 1n)));
    const { mark, ranges } = placeInNewLog(5_000n, 0n, events, { mark: 1n, ranges: [] });
    expect([mark, ranges.length, ranges[0]]).toEqual([0n, Limits.ackRanges, range(2n, 2n)]);
  });

  test("looks as far below the pivot as two queues may differ", () => {
    expect(lookAfter(BigInt(Limits.migrationMargin) + 5n)).toBe(5n);
    expect(lookAfter(7n)).toBe(0n);
  });
});
