import type { Run, RunResult } from "../simulate.ts";

/** A run that breaks a rule, as small as it was found. */
export interface Shrunk {
  readonly seed: number;
  /** Numbers of the steps with faults that are left. */
  readonly steps: readonly number[];
  readonly text: string;
}

/** What may be spent on shrinking, in steps of the machines. */
const budget = 20_000_000;

/** The rule a violation speaks of: its name, or what was said without the numbers. */
export function ruleOf(text: string): string {
  return /^[A-Z]\d+(?=:)/.exec(text)?.[0] ?? text.split(/[:;]/, 1).join("").replaceAll(/\d+/g, "");
}

/** All other steps of a run. */
export function skipAllBut(steps: readonly number[], faultySteps: number): ReadonlySet<number> {
  const kept = new Set(steps);
  return new Set(Array.from({ length: faultySteps }, (_, step) => step).filter((step) => !kept.has(step)));
}

/**
 * Leaves out steps of a run that breaks a rule as long as the run breaks the same one: halves, then quarters, down to single steps, again and again until
 * every step that is left is needed, or the budget is spent.
 */
export function shrink(seed: number, text: string, simulate: (run: Run) => RunResult, faultySteps: number): Shrunk {
  const rule = ruleOf(text);
  let spent = 0;
  const mayGoOn = (): boolean => spent < budget;
  let found: Shrunk = { seed, steps: Array.from({ length: faultySteps }, (_, step) => step), text };
  const breaks = (steps: readonly number[]): boolean => {
    const result = simulate({ seed, skip: skipAllBut(steps, faultySteps) });
    spent += result.steps;
    if (result.violation === undefined || ruleOf(result.violation) !== rule) return false;
    found = { seed, steps, text: result.violation };
    return true;
  };
  for (let size = faultySteps / 2; size >= 1 && mayGoOn();) {
    let smaller = false;
    // From the end: what comes after the violation goes at once.
    for (let to = found.steps.length; to > 0 && mayGoOn(); to -= size) {
      const without = [...found.steps.slice(0, Math.max(0, to - size)), ...found.steps.slice(to)];
      if (breaks(without)) smaller = true;
    }
    if (size === 1 && !smaller) break;
    size = Math.max(1, Math.floor(size / 2));
  }
  return found;
}
