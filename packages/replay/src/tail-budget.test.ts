import { describe, expect, test } from "vitest";
import { TailBudget } from "./tail-budget.ts";

describe("TailBudget", () => {
  test("W8: what was held first goes first, whosever it is, and the newest stays", () => {
    const budget = new TailBudget(30);
    const gone: string[] = [];
    const hold = (name: string, bytes = 10) => budget.hold(bytes, { evict: () => void gone.push(name) });
    hold("a");
    const b = hold("b");
    hold("c");
    budget.release(b);
    budget.release(b);
    expect(budget.total).toBe(20);
    hold("d");
    expect(gone).toEqual([]);
    hold("e");
    expect(gone).toEqual(["a"]);
    const f = hold("f", 100);
    expect([gone.join(""), budget.total]).toEqual(["acde", 100]);
    budget.release(f);
    hold("g");
    expect([gone.join(""), budget.total]).toEqual(["acde", 10]);
  });

  test("W8: counts what each segment takes besides its bytes", () => {
    const budget = new TailBudget(30, 9);
    const gone: string[] = [];
    for (const name of ["a", "b", "c", "d"]) budget.hold(1, { evict: () => void gone.push(name) });
    expect([gone.join(""), budget.total]).toEqual(["a", 30]);
  });
});
