// The references of each tsconfig are the workspace packages that its package depends on: else builds run in a wrong order.
import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const json = (file) => JSON.parse(readFileSync(file, "utf8"));
let bad = 0;
const folders = globSync("{packages,apps}/*/package.json").map((file) => dirname(file));
const inRoot = json("tsconfig.json").references.map(({ path }) => path);
for (const folder of folders) {
  const { dependencies = {} } = json(join(folder, "package.json"));
  const wanted = Object.keys(dependencies)
    .filter((name) => name.startsWith("@warren/"))
    .map((name) => name.slice("@warren/".length))
    .toSorted();
  const given = (json(join(folder, "tsconfig.json")).references ?? []).map(({ path }) => basename(path)).toSorted();
  const missing = wanted.filter((name) => !given.includes(name)).concat(given.filter((name) => !wanted.includes(name)));
  if (missing.length > 0) console.log(`${folder}/tsconfig.json: references and dependencies differ in ${missing.join(", ")}`);
  if (!inRoot.includes(folder)) console.log(`tsconfig.json: ${folder} is missing`);
  bad += missing.length + (inRoot.includes(folder) ? 0 : 1);
}
for (const path of inRoot) if (!existsSync(path)) bad += 1;
process.exit(bad === 0 ? 0 : 1);
