import { describe, expect, test } from "vitest";
import { formatDuration, parseBytes, parseCount, parseDuration } from "./units.ts";

describe("what a person types", () => {
  test("durations", () => {
    expect([parseDuration("90s").seconds, parseDuration("7d").seconds]).toEqual([90n, 604_800n]);
    for (const wrong of ["", "7", "7w", "-1d", "1.5h", "d"]) expect(() => parseDuration(wrong)).toThrow("is no duration");
    expect([5_400_000, 604_800_000, 1_500].map(formatDuration)).toEqual(["90m", "7d", "1.5s"]);
  });

  test("sizes", () => {
    expect(["1", "10B", "1.5kB", "1GB", "2GiB", "3 TB"].map(parseBytes)).toEqual([
      1n,
      10n,
      1_500n,
      10n ** 9n,
      2_147_483_648n,
      3n * 10n ** 12n,
    ]);
    for (const wrong of ["", "0", "GB", "1gb", "-1MB", "1e9", "9999999TB"]) expect(() => parseBytes(wrong)).toThrow("is no size");
  });

  test("counts", () => {
    expect([parseCount("--x", "0"), parseCount("--x", "12")]).toEqual([0, 12]);
    for (const wrong of ["", "-1", "1.5", "x"]) expect(() => parseCount("--x", wrong)).toThrow("--x is");
  });
});
