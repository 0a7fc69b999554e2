import { describe, expect, test } from "vitest";
import { faultySteps, simulateRun } from "../simulate.ts";
import { asRun, readKeptRuns, readSteps, writeSteps } from "./kept-runs.ts";

describe("kept runs", () => {
  test("break no rule any more", () => {
    for (const kept of readKeptRuns()) expect(simulateRun(asRun(kept, faultySteps)).violation, `seed ${kept.seed}`).toBeUndefined();
  });

  test("are written down in short, and read as they were", () => {
    const steps = [0, 3, 4, 5, 9, 11, 12];
    expect(writeSteps(steps)).toBe("0,3-5,9,11-12");
    expect(readSteps(writeSteps(steps))).toEqual(steps);
    expect(readSteps(writeSteps([]))).toEqual([]);
  });

  test("leave out all other steps", () => {
    expect(asRun({ seed: 1, steps: "1-2" }, 4)).toEqual({ seed: 1, skip: new Set([0, 3]) });
  });
});
