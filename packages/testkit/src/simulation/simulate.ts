import { Violation } from "./violation.ts";
import { World } from "./world.ts";

/** What a simulation found. */
export interface SimulationReport {
  readonly runs: number;
  readonly steps: number;
  readonly violation: { readonly seed: number; readonly text: string } | undefined;
  /** Interesting states that were reached. */
  readonly covered: readonly string[];
}

/** Steps with faults, and how many a healed world may take to bring everything to everyone. */
const faultySteps = 400;
const healingSteps = 60_000;

/** One run of one seed: the same seed is the same run. Throws a Violation. */
export function simulateRun(seed: number): { readonly steps: number; readonly covered: ReadonlySet<string> } {
  const world = new World(seed);
  world.faults = seed % 8 !== 0;
  let steps = 0;
  for (; steps < faultySteps; steps += 1) {
    world.step(false);
    world.check();
  }
  world.faults = false;
  for (; steps < faultySteps + healingSteps && !world.converged; steps += 1) {
    world.step(true);
    world.check();
  }
  if (!world.converged) throw new Violation(`not everything reached everyone: ${world.describe()}`);
  return { steps, covered: world.covered };
}

/** Runs seeds from `firstSeed` on until `goOn` says no, or a rule is broken. */
export function simulate(firstSeed: number, goOn: (runs: number) => boolean): SimulationReport {
  const covered = new Set<string>();
  let runs = 0;
  let steps = 0;
  for (let seed = firstSeed; goOn(runs); seed += 1) {
    try {
      const run = simulateRun(seed);
      steps += run.steps;
      for (const point of run.covered) covered.add(point);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      return { runs, steps, violation: { seed, text: error.message }, covered: [...covered].toSorted() };
    }
    runs += 1;
  }
  return { runs, steps, violation: undefined, covered: [...covered].toSorted() };
}
