import { describe, expect, test } from "vitest";
import { planRead } from "./plan-read.ts";

describe("planRead()", () => {
  test.each([
    { next: 11n, head: 10n, tailFirst: 5n, plan: "wait" },
    { next: 15n, head: 10n, tailFirst: 5n, plan: "wait" },
    { next: 10n, head: 10n, tailFirst: 5n, plan: "tail" },
    { next: 5n, head: 10n, tailFirst: 5n, plan: "tail" },
    { next: 4n, head: 10n, tailFirst: 5n, plan: "log" },
    { next: 10n, head: 10n, tailFirst: 11n, plan: "log" },
    { next: 1n, head: 0n, tailFirst: 1n, plan: "wait" },
  ])("answers $plan for next $next, head $head, tail from $tailFirst", ({ next, head, tailFirst, plan }) => {
    expect(planRead(next, { head, tailFirst })).toBe(plan);
  });
});
