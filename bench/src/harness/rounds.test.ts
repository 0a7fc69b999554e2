import { expect, test } from "vitest";
import { isMet, type Goal } from "./report.ts";
import { ratioOf, shown, spreadOf, takeTurns } from "./rounds.ts";

test("the median of an even number of values lies between the two in the middle", () => {
  expect(spreadOf([4, 1, 3, 2])).toMatchObject({ median: 2.5, min: 1, max: 4 });
  expect(spreadOf([9, 1, 5])).toMatchObject({ median: 5, min: 1, max: 9 });
  expect(() => spreadOf([])).toThrow("a spread needs a value");
});

test("contestants take turns, and keep their results apart", async () => {
  const order: string[] = [];
  const results = await takeTurns(["a", "b"], 2, (name, round) => {
    order.push(`${name}${round}`);
    return Promise.resolve(`${name}${round}`);
  });
  expect(order).toEqual(["a0", "b0", "a1", "b1"]);
  expect(results).toEqual({ a: ["a0", "a1"], b: ["b0", "b1"] });
});

test("a ratio is of medians, and says something also when it is small", () => {
  expect(ratioOf(spreadOf([10, 20, 90]), spreadOf([8]))).toBe(2.5);
  expect(ratioOf(spreadOf([1]), spreadOf([300]))).toBe(0.0033);
});

test("one round is shown as it is, several with the lowest and the highest", () => {
  expect(shown(spreadOf([1234.4]))).toBe("1,234");
  expect(shown(spreadOf([1, 2, 3]))).toBe("2 (1 to 3)");
});

test("a goal is met from above or from below", () => {
  const goal: Goal = { measure: "", against: "", ratio: 2, goal: 2, better: "more" };
  expect([isMet(goal), isMet({ ...goal, ratio: 1.99 })]).toEqual([true, false]);
  expect([isMet({ ...goal, better: "less" }), isMet({ ...goal, ratio: 2.01, better: "less" })]).toEqual([true, false]);
});
