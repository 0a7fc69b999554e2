import { Violation } from "./violation.ts";
import { World } from "./world.ts";

/** One run: what it does is a function of this alone. */
export interface Run {
  readonly seed: number;
  /** Steps with faults that are left out, by number: a shrunk run has many. */
  readonly skip?: ReadonlySet<number>;
  /** Is told in words what happens. */
  readonly trace?: (line: string) => void;
}

/** What a run did. */
export interface RunResult {
  /** Inputs given to the machines. */
  readonly steps: number;
  /** Interesting states that were reached. */
  readonly covered: ReadonlySet<string>;
  readonly violation: string | undefined;
}

/** Steps with faults, and how many a healed world may take to bring everything to everyone. */
export const faultySteps = 400;
const healingSteps = 60_000;

/** Runs a world to its end, or until a rule is broken. The same run does the same. */
export function simulateRun({ seed, skip, trace }: Run): RunResult {
  const world = new World(seed, trace);
  world.faults = seed % 8 !== 0;
  try {
    for (let step = 0; step < faultySteps; step += 1) {
      if (skip?.has(step) === true) continue;
      world.random.seed(seed, step + 1);
      world.step(false);
    }
    world.faults = false;
    world.random.seed(seed, faultySteps + 1);
    for (let healing = 0; healing < healingSteps && !world.converged; healing += 1) {
      world.step(true);
    }
    if (!world.converged) throw new Violation(`not everything reached everyone: ${world.describe()}`);
  } catch (error) {
    // A machine that throws breaks a rule too.
    return { steps: world.steps, covered: world.covered, violation: error instanceof Error ? error.message : String(error) };
  }
  return { steps: world.steps, covered: world.covered, violation: undefined };
}
