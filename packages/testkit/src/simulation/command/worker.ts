import { parentPort, workerData } from "node:worker_threads";
import type { Job, Told } from "./job.ts";
import { registerPatches } from "../../patching/patch.ts";
import { ruleOf, shrink } from "./shrink.ts";

const job = workerData as Job;
registerPatches(job.patches);
// Typed errors are answers here, made by the thousand: looking for their stacks takes a quarter of the time.
Error.stackTraceLimit = 0;
// Only now: what it loads may be patched.
const { faultySteps, simulateRun } = await import("../simulate.ts");

const tell = (told: Told): void => parentPort?.postMessage(told, []);
const tellEveryMs = 500;
const covered = new Set<string>();
const rules = new Set<string>();
let [steps, runs, violations] = [0, 0, 0];
let toldAt = performance.now();
const until = toldAt + job.seconds * 1000;

function tellProgress(): void {
  tell({ kind: "progress", steps, runs, covered: [...covered] });
  [steps, runs] = [0, 0];
  toldAt = performance.now();
}

for (let { seed } = job; performance.now() < until && violations < job.violations; seed += job.stride) {
  const result = simulateRun({ seed });
  steps += result.steps;
  runs += 1;
  for (const point of result.covered) covered.add(point);
  if (performance.now() - toldAt > tellEveryMs) tellProgress();
  if (result.violation === undefined) continue;
  violations += 1;
  tell({ kind: "violation", seed, text: result.violation });
  const rule = ruleOf(result.violation);
  if (!job.shrink || rules.has(rule)) continue;
  rules.add(rule);
  tell({ kind: "shrunk", ...shrink(seed, result.violation, simulateRun, faultySteps) });
}
tellProgress();
