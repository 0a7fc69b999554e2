import { expect, test } from "vitest";
import { backoffDelay } from "./backoff.ts";
import { Times } from "./limits.ts";

test("backoffDelay() spreads over a range that doubles up to its maximum", () => {
  const range = (attempt: number): number[] => [backoffDelay(attempt, () => 0), backoffDelay(attempt, () => 1)];
  expect(range(1)).toEqual([Times.backoffMinMs, 2 * Times.backoffMinMs]);
  expect(range(3)).toEqual([Times.backoffMinMs, 8 * Times.backoffMinMs]);
  expect(range(1000)).toEqual([Times.backoffMinMs, Times.backoffMaxMs]);
});
