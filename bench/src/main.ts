import { parseArgs } from "node:util";
import { benchSlowConsumer } from "./slow-consumer.ts";
import { benchTables } from "./tables.ts";

/** Each prints its figures; true: it met what it promises, if it promises anything. */
const scenarios: Readonly<Record<string, (quick: boolean) => Promise<boolean>>> = {
  tables: benchTables,
  "slow-consumer": benchSlowConsumer,
};
const { values, positionals } = parseArgs({ allowPositionals: true, options: { quick: { type: "boolean", default: false } } });
const scenario = scenarios[positionals[0] ?? ""];
if (scenario === undefined) {
  process.stderr.write(`usage: npm run bench -- <${Object.keys(scenarios).join("|")}> [--quick]\n`);
  process.exit(1);
}
process.exit((await scenario(values.quick)) ? 0 : 1);
