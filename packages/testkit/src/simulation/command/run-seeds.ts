import { interesting } from "../interesting.ts";
import { faultySteps, simulateRun } from "../simulate.ts";
import type { Told } from "./job.ts";
import { asRun, keepRun, readKeptRuns } from "./kept-runs.ts";
import { runWorker } from "./run-worker.ts";
import { ruleOf } from "./shrink.ts";

/** How long, from which seed on, on how many threads. */
export interface SeedsOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly workers: number;
}

/** What the runs came to. */
export interface SeedsReport extends SeedsOptions {
  readonly steps: number;
  readonly runs: number;
  readonly violations: readonly { readonly seed: number; readonly text: string }[];
  /** Interesting states that were not reached. */
  readonly uncovered: readonly string[];
}

/** Violations after which a worker ends. */
const enough = 10;

/**
 * Runs the kept runs, then seeds for as long as is asked for: worker `w` those from `seed + w` on that are `workers` apart. Whatever breaks a rule is shrunk and
 * kept, the first of each rule. `say` is told how it goes.
 */
export async function runSeeds(options: SeedsOptions, say: (line: string) => void): Promise<SeedsReport> {
  const { seconds, seed, workers } = options;
  const uncovered = new Set(interesting);
  const violations: { seed: number; text: string }[] = [];
  let [steps, runs] = [0, 0];
  for (const kept of readKeptRuns()) {
    const result = simulateRun(asRun(kept, faultySteps));
    steps += result.steps;
    runs += 1;
    if (result.violation === undefined) continue;
    say(`kept run of seed ${kept.seed}: ${result.violation}`);
    violations.push({ seed: kept.seed, text: result.violation });
  }
  const rules = new Set<string>();
  const heard = (told: Told): void => {
    switch (told.kind) {
      case "progress":
        steps += told.steps;
        runs += told.runs;
        for (const point of told.covered) uncovered.delete(point);
        return;
      case "violation":
        violations.push({ seed: told.seed, text: told.text });
        say(`seed ${told.seed}: ${told.text}`);
        return;
      case "shrunk":
        say(`seed ${told.seed} shrunk to ${told.steps.length} steps: ${told.text}`);
        if (rules.has(ruleOf(told.text))) return;
        rules.add(ruleOf(told.text));
        for (const line of traceOf(told)) say(`  ${line}`);
        keepRun(told);
    }
  };
  const began = performance.now();
  const progress = setInterval(() => {
    const passed = ((performance.now() - began) / 1000).toFixed(0);
    say(`${passed} s: ${runs} runs, ${steps} steps, ${violations.length} violations, ${uncovered.size} interesting states not reached`);
  }, 5000);
  const shared = { stride: workers, seconds, violations: enough, shrink: true, patches: [] };
  await Promise.all(Array.from({ length: workers }, (_, worker) => runWorker({ ...shared, seed: seed + worker }, heard)));
  clearInterval(progress);
  return { seed, seconds, workers, steps, runs, violations, uncovered: [...uncovered] };
}

function traceOf({ seed, steps }: Extract<Told, { kind: "shrunk" }>): readonly string[] {
  const lines: string[] = [];
  simulateRun({ ...asRun({ seed, steps: steps.join() }, faultySteps), trace: (line) => lines.push(line) });
  return lines;
}
