import { describe, expect, test } from "vitest";
import { interesting } from "./interesting.ts";
import { simulateRun } from "./simulate.ts";

/** How long the seeds run. The whole suite has minutes; more: `npm run simulate -- --seconds 600`. */
const seconds = Number(process.env["SIMULATE_SECONDS"] ?? 10);

describe("the shipped machines in a simulated world", () => {
  test("keep W1 to W7 through crash, unknown commit, late commit, channel loss and takeover", { timeout: seconds * 1000 + 60_000 }, () => {
    const until = performance.now() + seconds * 1000;
    const covered = new Set<string>();
    for (let seed = 1; performance.now() < until; seed += 1) {
      const run = simulateRun({ seed });
      expect(run.violation, `seed ${seed}`).toBeUndefined();
      for (const point of run.covered) covered.add(point);
    }
    expect(interesting.filter((point) => !covered.has(point))).toEqual([]);
  });

  test("are the same run for the same seed", () => {
    const [first, second] = [simulateRun({ seed: 7 }), simulateRun({ seed: 7 })];
    expect(first.steps).toBe(second.steps);
    expect([...first.covered]).toEqual([...second.covered]);
  });
});
