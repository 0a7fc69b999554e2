import { describe, expect, test } from "vitest";
import type { Run, RunResult } from "../simulate.ts";
import { mutants } from "../mutants/index.ts";
import type { Told } from "./job.ts";
import { runWorker } from "./run-worker.ts";
import { ruleOf, shrink } from "./shrink.ts";

/** A world of 400 steps that breaks W5 when `culprits` are all in it, and W1 when 7 is alone. */
function brokenBy(...culprits: readonly number[]): (run: Run) => RunResult {
  return ({ skip }) => {
    const has = (step: number): boolean => skip?.has(step) !== true;
    const violation = culprits.every(has) ? "W5: 3 after 1" : has(7) ? "W1: another rule" : undefined;
    return { steps: 400, covered: new Set(), violation };
  };
}

describe("shrink", () => {
  test("leaves the steps that are needed, and no others", () => {
    expect(shrink(1, "W5: 8 after 4", brokenBy(3, 200, 398), 400)).toEqual({ seed: 1, steps: [3, 200, 398], text: "W5: 3 after 1" });
  });

  test("leaves no step of a run that breaks the rule without any", () => {
    expect(shrink(1, "W5: 8 after 4", brokenBy(), 400).steps).toEqual([]);
  });

  test("ends when the budget is spent", () => {
    let runs = 0;
    const slow = (run: Run): RunResult => {
      runs += 1;
      return { ...brokenBy(3, 200, 398)(run), steps: 5_000_000 };
    };
    shrink(1, "W5: 8 after 4", slow, 400);
    expect(runs).toBe(4);
  });

  test("takes two violations for the same one by their rule, or by their words", () => {
    expect(ruleOf("W5: 3 after 1")).toBe("W5");
    expect(ruleOf("segment 4 does not follow head 2")).toBe(ruleOf("segment 19 does not follow head 7"));
    expect(ruleOf("not everything reached everyone: a 1")).toBe(ruleOf("not everything reached everyone: b 2; c"));
    expect(ruleOf("W5: 3 after 1")).not.toBe(ruleOf("W1: 3 after 1"));
  });

  test("shrinks the run that finds a planted bug, and it still breaks the same rule", { timeout: 120_000 }, async () => {
    const mutant = mutants.filter(({ name }) => name === "seen-before-commit");
    const told: Told[] = [];
    const job = { seed: 1, stride: 1, seconds: 60, violations: 1, shrink: true, patches: mutant };
    await runWorker(job, (each) => told.push(each));
    const found = told.find((each) => each.kind === "violation");
    const shrunk = told.find((each) => each.kind === "shrunk");
    expect(found?.text).toMatch(/^W1:/);
    expect(shrunk?.text).toMatch(/^W1:/);
    expect(shrunk?.steps.length).toBeLessThan(100);
  });
});
