import { describe, expect, test } from "vitest";
import { TailBudget } from "./tail-budget.ts";

describe("TailBudget", () => {
  test("W8: what was held first goes first, whosever it is, and the newest stays", () => {
    const budget = new TailBudget(30);
    const gone: string[] = [];
    const hold = (name: string, bytes = 10) => budget.hold(bytes, () => void gone.push(name));
    hold("a");
    const b = hold("b");
    hold("c");
    b.release();
    b.release();
    expect(budget.total).toBe(20);
    hold("d");
    expect(gone).toEqual([]);
    hold("e");
    expect(gone).toEqual(["a"]);
    const f = hold("f", 100);
    expect([gone.join(""), budget.total]).toEqual(["acde", 100]);
    f.release();
    hold("g");
    expect([gone.join(""), budget.total]).toEqual(["acde", 10]);
  });
});
