import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { allFaults } from "./faults/all-faults.ts";
import { selfTest } from "../history/self-test/self-test.ts";
import { runChaos } from "./run.ts";

const usage = "usage: npm run chaos -- [--seconds S] [--seed N] [--faults kind,kind] [--keep FOLDER] [--list]";
const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "120" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    faults: { type: "string" },
    keep: { type: "string" },
    list: { type: "boolean", default: false },
  },
});
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const began = performance.now();
const say = (line: string): void => print(`${((performance.now() - began) / 1_000).toFixed(1).padStart(6)} s  ${line}`);

async function main(): Promise<number> {
  if (values.list) {
    for (const { kind, row } of allFaults) print(`${row.padEnd(4)} ${kind}`);
    return 0;
  }
  const [seed, seconds] = [Number(values.seed), Number(values.seconds)];
  const wanted = values.faults?.split(",");
  const unknown = wanted?.filter((kind) => !allFaults.some((fault) => fault.kind === kind)) ?? [];
  if (!Number.isInteger(seed) || !(seconds > 0) || unknown.length > 0) {
    print(unknown.length > 0 ? `unknown faults: ${unknown.join(", ")}; --list names them` : usage);
    return 64;
  }
  const { text, missed, alarms } = selfTest();
  print(text);
  if (missed.length + alarms.length > 0) {
    print(`the checker cannot be trusted: ${[...missed, ...alarms].join("; ")}`);
    return 2;
  }
  const faults = allFaults.filter(({ kind }) => wanted?.includes(kind) ?? true);
  const folder = values.keep ?? join(mkdtempSync(join(tmpdir(), "warren-chaos-")), "run");
  const verdict = await runChaos({ seed, seconds, faults, folder, say });
  const { violations, invalid, kinds, sometimes, acked, published } = verdict;
  print(`published ${published}, acked and saved ${acked}, faults ${verdict.faults} of ${kinds.length} kinds: ${kinds.join(", ")}`);
  for (const violation of violations.slice(0, 50)) print(`VIOLATION ${violation}`);
  for (const why of invalid) print(`INVALID ${why}`);
  if (violations.length > 0) print(`everything needed to look at it is in ${folder}`);
  else if (values.keep === undefined) rmSync(join(folder, ".."), { recursive: true, force: true });
  print(JSON.stringify({ seed, acked, faults: verdict.faults, kinds: kinds.length, violations: violations.length, sometimes }));
  if (violations.length > 0) return 1;
  return invalid.length > 0 ? 2 : 0;
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
process.exit(await main());
