import { describe, expect, test } from "vitest";
import { allFaults } from "./faults/all-faults.ts";
import { planFaults } from "./schedule.ts";

const plan = (seed: number, seconds: number): readonly string[] =>
  planFaults(seed, allFaults, seconds).map(({ fault, atMs, forMs, salt }) => `${atMs} ${fault.kind} ${forMs} ${salt}`);

describe("planFaults()", () => {
  test("plans the same for the same seed, and something else for another", () => {
    expect(plan(1, 120)).toEqual(plan(1, 120));
    expect(plan(1, 120)).not.toEqual(plan(2, 120));
  });

  test("begins without faults, uses each kind before any comes twice, and keeps each within its time", () => {
    const planned = planFaults(3, allFaults, 600);
    expect(planned[0]?.atMs).toBeGreaterThanOrEqual(10_000);
    const first = planned.slice(0, allFaults.length).map(({ fault }) => fault.kind);
    expect(new Set(first).size).toBe(allFaults.length);
    for (const { fault, atMs, forMs } of planned) {
      expect(atMs).toBeLessThan(600_000);
      expect(forMs).toBeGreaterThanOrEqual(fault.lastsMs[0]);
      expect(forMs).toBeLessThanOrEqual(fault.lastsMs[1]);
    }
  });

  test("plans nothing without kinds", () => {
    expect(planFaults(1, [], 60)).toEqual([]);
  });

  test("has kinds that are told apart by their names", () => {
    expect(new Set(allFaults.map(({ kind }) => kind)).size).toBe(allFaults.length);
  });
});
