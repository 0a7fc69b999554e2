import { describe, expect, test } from "vitest";
import { ReceiveBudget } from "./receive-budget.ts";

function holder() {
  let told = 0;
  return { room: () => void (told += 1), told: () => told };
}

describe("a receive budget", () => {
  test("W8: refuses who takes more than all may hold, and tells who waits when half is free", () => {
    const budget = new ReceiveBudget(100);
    const [one, two] = [holder(), holder()];
    expect(budget.hold(one, 60)).toBe(true);
    expect(budget.hold(two, 40)).toBe(true);
    expect(budget.hold(two, 41)).toBe(false);
    expect(budget.hold(two, 0)).toBe(true);
    expect([budget.total, two.told()]).toEqual([60, 0]);
    expect(budget.hold(one, 50)).toBe(true);
    expect([one.told(), two.told()]).toEqual([0, 1]);
    budget.hold(one, 10);
    expect(two.told()).toBe(1);
  });

  test("who holds less is never refused, and who leaves holds nothing", () => {
    const budget = new ReceiveBudget(10);
    const [one, two] = [holder(), holder()];
    expect(budget.hold(one, 20)).toBe(false);
    expect(budget.hold(one, 15)).toBe(true);
    expect(budget.hold(two, 1)).toBe(false);
    budget.leave(two);
    budget.leave(one);
    expect([budget.total, one.told(), two.told()]).toEqual([0, 0, 0]);
  });

  test("shares what half of it takes, at least one message each", () => {
    const budget = new ReceiveBudget(1_000);
    const [one, two] = [holder(), holder()];
    budget.hold(one, 900);
    budget.hold(two, 200);
    expect([budget.share(10, 500), budget.share(1, 500), budget.share(1_000_000, 500), budget.share(0, 500)]).toEqual([25, 250, 1, 250]);
    budget.leave(two);
    // Nor does one count that holds nothing now.
    budget.hold(two, 0);
    expect(budget.share(1, 400)).toBe(400);
  });
});
