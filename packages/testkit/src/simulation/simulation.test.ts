import { describe, expect, test } from "vitest";
import { simulate, simulateRun } from "./simulate.ts";

/** Every one of these must be reached, or the simulation proves less than it says. */
const interesting = [
  "append-fenced",
  "append-head-moved",
  "append-known",
  "append-refused",
  "caught-up",
  "crash",
  "fell-behind",
  "fenced",
  "head-advanced",
  "late-commit",
  "new-name",
  "opened-with-ranges",
  "pack",
  "parked",
  "read-log",
  "read-tail",
  "redelivery",
  "repeat-dropped",
  "resend",
  "resolved-stored",
  "save-fenced",
  "shed",
  "side-fenced",
  "side-settled",
  "silent",
  "stale-token-dropped",
  "standby",
  "take-over-damped",
  "taken-over",
  "unknown-committed",
  "unknown-not-committed",
];

/** How long the seeds run. The whole suite has minutes; more: `SIMULATE_SECONDS=600 pnpm exec vitest run simulation`. */
const seconds = Number(process.env["SIMULATE_SECONDS"] ?? 30);

describe("the shipped machines in a simulated world", () => {
  test("keep W1 to W7 through crash, unknown commit, late commit, channel loss and takeover", { timeout: seconds * 1000 + 60_000 }, () => {
    const until = performance.now() + seconds * 1000;
    const report = simulate(1, () => performance.now() < until);
    expect(report.violation).toBeUndefined();
    expect(interesting.filter((point) => !report.covered.includes(point))).toEqual([]);
    expect(report.runs).toBeGreaterThan(100);
  });

  test("are the same run for the same seed", () => {
    const [first, second] = [simulateRun(7), simulateRun(7)];
    expect(first.steps).toBe(second.steps);
    expect([...first.covered]).toEqual([...second.covered]);
  });
});
