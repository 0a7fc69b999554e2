import { readFileSync, writeFileSync } from "node:fs";
import type { Run } from "../simulate.ts";
import { root } from "../../patching/patch.ts";
import { skipAllBut, type Shrunk } from "./shrink.ts";

/** A run that once broke a rule: it is run for ever. `steps`: numbers of the steps with faults that it has, as `3-7,12`. */
interface KeptRun {
  readonly seed: number;
  readonly steps: string;
  /** What was broken. */
  readonly text: string;
  /** What it was, once that is known. */
  readonly note: string;
}

const file = new URL("packages/testkit/src/simulation/seeds.json", root);

/** All of them. `from`: another file of the same form. */
export function readKeptRuns(from: string | URL = file): readonly KeptRun[] {
  const kept = JSON.parse(readFileSync(from, "utf8")) as KeptRun | readonly KeptRun[];
  return Array.isArray(kept) ? kept : [kept as KeptRun];
}

/** Adds a run to those that are kept. */
export function keepRun({ seed, steps, text }: Shrunk): void {
  const kept: KeptRun = { seed, steps: writeSteps(steps), text, note: "" };
  writeFileSync(file, `${JSON.stringify([...readKeptRuns(), kept], undefined, 2)}\n`);
}

/** The run, as `simulateRun` takes it. */
export function asRun({ seed, steps }: Pick<KeptRun, "seed" | "steps">, faultySteps: number): Run {
  return { seed, skip: skipAllBut(readSteps(steps), faultySteps) };
}

/** Ascending numbers in short: `3-7,12`. */
export function writeSteps(steps: readonly number[]): string {
  const ranges: { first: number; last: number }[] = [];
  for (const step of steps) {
    const range = ranges.at(-1);
    if (range !== undefined && range.last === step - 1) range.last = step;
    else ranges.push({ first: step, last: step });
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(",");
}

/** What `writeSteps` wrote. */
export function readSteps(text: string): readonly number[] {
  const parts = text === "" ? [] : text.split(",");
  return parts.flatMap((part) => {
    const [first = 0, last = first] = part.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}
