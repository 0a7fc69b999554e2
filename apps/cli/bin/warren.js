#!/usr/bin/env node
// The command `warren` from a clone: on a Node that is too old, again under the one that `npm start` fetched.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
const fetched = fileURLToPath(
  new URL(`../../../.toolchain/node_modules/node-${process.platform}-${process.arch}/bin/node`, import.meta.url),
);
if (!existsSync(new URL("../dist/main.js", import.meta.url))) {
  process.stderr.write("warren is not built yet: run `npm start` once\n");
  process.exitCode = 1;
} else if ((major < 22 || (major === 22 && minor < 12)) && existsSync(fetched)) {
  const { status } = spawnSync(fetched, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} else {
  await import("../dist/main.js");
}
