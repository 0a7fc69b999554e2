import { describe, expect, test } from "vitest";
import { interesting } from "./interesting.ts";
import { simulateRun } from "./simulate.ts";

/** How long the seeds run at least, and at most until everything interesting was reached. For more: `npm run simulate -- --seconds 600`. */
const [least, most] = [10_000, 100_000];

describe("the shipped machines in a simulated world", () => {
  test(
    "keep W1 to W13 through crashes, unknown commits, lost channels, take-overs, pruning and lost queues",
    { timeout: most + 20_000 },
    () => {
      const began = performance.now();
      const missing = new Set(interesting);
      for (let seed = 1; performance.now() < began + (missing.size > 0 ? most : least); seed += 1) {
        const run = simulateRun({ seed });
        expect(run.violation, `seed ${seed}`).toBeUndefined();
        for (const point of run.covered) missing.delete(point);
      }
      expect([...missing]).toEqual([]);
    },
  );

  test("are the same run for the same seed", () => {
    const [first, second] = [simulateRun({ seed: 7 }), simulateRun({ seed: 7 })];
    expect(first.steps).toBe(second.steps);
    expect([...first.covered]).toEqual([...second.covered]);
  });
});
