import { benchTables } from "./tables.ts";

const scenarios: Readonly<Record<string, () => Promise<void>>> = { tables: benchTables };
const [name = ""] = process.argv.slice(2);
const scenario = scenarios[name];
if (scenario === undefined) {
  process.stderr.write(`usage: npm run bench -- <${Object.keys(scenarios).join("|")}>\n`);
  process.exit(1);
}
await scenario();
