// Runs every check, says of each how it went, and ends with "N passed, N failed". Names of checks as arguments: only those.
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");
const published = ["protocol", "transport", "client"];

/** Name, and commands that must all exit 0. */
const checks = {
  format: [["oxfmt", "--check"]],
  lint: [["oxlint", "--type-aware", "--deny-warnings"]],
  types: [["tsc", "-p", "tsconfig.test.json"]],
  machines: [["node", "tools/verify/machine-purity.mjs"]],
  files: [["node", "tools/verify/file-length.mjs"]],
  references: [["node", "tools/verify/references.mjs"]],
  unused: [["knip"]],
  manifests: [["sherif"]],
  packages: published.flatMap((name) => [
    ["publint", "--strict", `packages/${name}`],
    ["attw", "--pack", `packages/${name}`, "--profile", "esm-only"],
  ]),
  proto: [
    ["buf", "lint"],
    ["node", "tools/verify/proto-breaking.mjs"],
  ],
  generated: [["node", "tools/verify/generated.mjs"]],
  specs: [["node", "tools/verify/specs.mjs"]],
  compose: [["dclint", "docker-compose.yml"]],
};

const wanted = process.argv.slice(2);
let passed = 0;
let failed = 0;
for (const [name, commands] of Object.entries(checks)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const began = performance.now();
  const problems = [];
  for (const [command, ...args] of commands) {
    const { status, error, stdout, stderr } = spawnSync(command, args, {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      maxBuffer: 64 * 1024 * 1024,
    });
    if (status !== 0) problems.push(`$ ${[command, ...args].join(" ")}\n${error?.message ?? ""}${stdout}${stderr}`);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  console.log(`${problems.length === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  for (const problem of problems) console.log(problem.trimEnd().split("\n").slice(0, 200).join("\n"));
  if (problems.length === 0) passed += 1;
  else failed += 1;
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
