import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { runMutants } from "../mutants/run-mutants.ts";
import { faultySteps, simulateRun } from "../simulate.ts";
import { asRun, readKeptRuns } from "./kept-runs.ts";
import { runSeeds } from "./run-seeds.ts";

const usage = `usage: npm run simulate -- [--seconds S] [--seed N] [--workers W] [--mutants [NAME...]] [--run SEED|FILE]

  --seconds S   how long seeds are run (30); with --mutants: how long each mutant may live
  --seed N      the first seed (1)
  --workers W   threads (one for each core)
  --mutants     plant each bug, or those whose names contain one of the given words, and find it
  --run X       run one seed, or the kept runs of a file, and say what happens in it
`;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

function number(name: string, text: string, least: number): number {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least) return value;
  process.stderr.write(`--${name} must be a number of at least ${least}, not ${JSON.stringify(text)}\n${usage}`);
  return process.exit(64);
}

function read(): ReturnType<typeof parse> {
  try {
    return parse();
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return process.exit(64);
  }
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seconds: { type: "string", default: "30" },
      seed: { type: "string", default: "1" },
      workers: { type: "string", default: String(availableParallelism()) },
      mutants: { type: "boolean", default: false },
      run: { type: "string" },
    },
  });
  if (positionals.length > 0 && !values.mutants) throw new Error(`unexpected ${positionals.join(" ")}`);
  return { ...values, names: positionals };
}

/** One run, told in words. Exit code 1 when it breaks a rule. */
function tellRuns(what: string): number {
  const runs = /^\d+$/.test(what) ? [{ seed: Number(what) }] : readKeptRuns(what).map((kept) => asRun(kept, faultySteps));
  const results = runs.map((run) => {
    const { steps, violation } = simulateRun({ ...run, trace: say });
    say(JSON.stringify({ seed: run.seed, steps, violation: violation ?? null }));
    return violation;
  });
  return results.some((violation) => violation !== undefined) ? 1 : 0;
}

const options = read();
const seconds = number("seconds", options.seconds, 0);
const workers = Math.floor(number("workers", options.workers, 1));
const seed = Math.floor(number("seed", options.seed, 0));

if (options.run !== undefined) {
  process.exitCode = tellRuns(options.run);
} else if (options.mutants) {
  const report = await runMutants({ seconds, workers, seed, names: options.names }, say);
  say(JSON.stringify(report));
  process.exitCode = report.survived.length > 0 ? 1 : 0;
} else {
  const report = await runSeeds({ seconds, seed, workers }, say);
  say(JSON.stringify(report));
  process.exitCode = report.violations.length > 0 ? 1 : report.uncovered.length > 0 ? 2 : 0;
}
