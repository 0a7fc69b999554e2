import type { Told } from "../command/job.ts";
import { runWorker } from "../command/run-worker.ts";
import { mutants } from "./index.ts";
import type { Mutant } from "./mutant.ts";

/** How long each may live, how many live at once, and the first seed. `names`: only those whose name contains one of these words; empty: all. */
export interface MutantsOptions {
  readonly seconds: number;
  readonly workers: number;
  readonly seed: number;
  readonly names: readonly string[];
}

/** How one mutant died; without `text` it survived. */
export interface Fate {
  readonly name: string;
  readonly text: string | undefined;
  readonly runs: number;
  readonly steps: number;
  readonly seconds: number;
}

/** What became of them. */
export interface MutantsReport {
  readonly mutants: number;
  readonly killed: number;
  /** Also those that are stale, or whose code does not run: that proves nothing. */
  readonly survived: readonly string[];
  readonly seconds: number;
}

/** What a mutant dies of that only has a slip of the pen in it. */
const slip = /is not (defined|a function|iterable)|Cannot (read|access|mix)|Unexpected|Assignment to constant/;

/** Runs seeds with one bug planted, until a rule is broken. */
export async function runMutant(mutant: Mutant, { seconds, seed }: Pick<MutantsOptions, "seconds" | "seed">): Promise<Fate> {
  const began = performance.now();
  let [runs, steps] = [0, 0];
  let text: string | undefined;
  const heard = (told: Told): void => {
    if (told.kind === "violation") text ??= told.text;
    if (told.kind !== "progress") return;
    runs += told.runs;
    steps += told.steps;
  };
  await runWorker({ seed, stride: 1, seconds, violations: 1, shrink: false, patches: [mutant] }, heard);
  if (text !== undefined && slip.test(text)) throw new Error(`mutant ${mutant.name} does not run: ${text}`);
  return { name: mutant.name, text, runs, steps, seconds: (performance.now() - began) / 1000 };
}

/** So that the table can be read. */
function short(text: string): string {
  return text.length > 90 ? `${text.slice(0, 89)}…` : text;
}

/** Runs all of them, says a table as they die, and what it came to. */
export async function runMutants(options: MutantsOptions, say: (line: string) => void): Promise<MutantsReport> {
  const { names, workers } = options;
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.some((word) => name.includes(word)));
  const began = performance.now();
  const survived: string[] = [];
  const left = chosen.values();
  say("| mutant | planted | first violation | runs | steps | s |");
  say("|---|---|---|---|---|---|");
  const work = async (): Promise<void> => {
    for (const mutant of left) {
      try {
        const { text, runs, steps, seconds } = await runMutant(mutant, options);
        if (text === undefined) survived.push(mutant.name);
        const first = text === undefined ? "**none**" : short(text);
        say(`| ${mutant.name} | ${mutant.bug} | ${first} | ${runs} | ${steps} | ${seconds.toFixed(1)} |`);
      } catch (error) {
        survived.push(mutant.name);
        say(`| ${mutant.name} | ${mutant.bug} | **not planted**: ${String(error)} | | | |`);
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const seconds = Math.round((performance.now() - began) / 1000);
  return { mutants: chosen.length, killed: chosen.length - survived.length, survived, seconds };
}
