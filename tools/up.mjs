// Runs on any Node from 20 with nothing installed: fetches Node 24 and pnpm when needed, installs packages, builds, then does what it is told.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const toolchain = join(root, ".toolchain");
const versions = { node: "24.21.0", pnpm: "10.34.9" };
const began = Date.now();
const say = (line) => process.stderr.write(`[warren ${((Date.now() - began) / 1000).toFixed(1)} s] ${line}\n`);

/** Variables of the npm that runs us would steer the npm and pnpm that we run. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !/^npm_(package|lifecycle|command|execpath|node_execpath|config_(prefix|local_prefix|global_prefix|user_agent|init_module|noproxy|node_gyp|npm_version))/i.test(
        name,
      ),
  ),
);
Object.assign(env, { TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", npm_config_update_notifier: "false" });

function die(text) {
  say(text);
  process.exit(1);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: ["ignore", 2, 2], ...options });
  if (result.status !== 0) die(`${[command, ...args].join(" ")} failed (${result.error?.message ?? result.status ?? result.signal})`);
}

function npm(args) {
  const cli = process.env.npm_execpath;
  if (cli?.endsWith(".js")) run(process.execPath, [cli, ...args]);
  else run("npm", args, { shell: process.platform === "win32" });
}

function provideToolchain() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  const recent = major > 22 || (major === 22 && minor >= 18);
  const platform = process.platform === "win32" ? "win" : process.platform;
  const node = recent ? process.execPath : join(toolchain, "node_modules", `node-${platform}-${process.arch}`, "bin", "node");
  const pnpm = join(toolchain, "node_modules", "pnpm", "bin", "pnpm.cjs");
  const missing = [];
  if (!existsSync(node)) missing.push(`node-${platform}-${process.arch}@${versions.node}`);
  if (!existsSync(pnpm)) missing.push(`pnpm@${versions.pnpm}`);
  if (missing.length > 0) {
    say(`fetching ${missing.join(" and ")} from the npm registry (the Node at hand is ${process.version})`);
    mkdirSync(toolchain, { recursive: true });
    if (!existsSync(join(toolchain, "package.json"))) writeFileSync(join(toolchain, "package.json"), '{ "private": true }\n');
    npm(["install", "--prefix", toolchain, "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error", ...missing]);
  }
  // turbo looks for a program named pnpm.
  mkdirSync(join(toolchain, "bin"), { recursive: true });
  writeFileSync(join(toolchain, "bin", "pnpm"), `#!/bin/sh\nexec "${node}" "${pnpm}" "$@"\n`, { mode: 0o755 });
  env.PATH = [dirname(node), join(toolchain, "bin"), join(root, "node_modules", ".bin"), env.PATH].join(delimiter);
  return { node, pnpm };
}

function installPackages({ node, pnpm }) {
  const done = join(root, "node_modules", ".modules.yaml");
  const lock = join(root, "pnpm-lock.yaml");
  if (existsSync(done) && statSync(done).mtimeMs >= statSync(lock).mtimeMs) return;
  say("installing packages");
  run(node, [pnpm, "install", "--frozen-lockfile", "--reporter=append-only", "--loglevel=warn"], { env: { ...env, CI: "true" } });
}

const tools = provideToolchain();
installPackages(tools);
say("building");
run(tools.node, [tools.pnpm, "exec", "turbo", "run", "build", "--output-logs=errors-only"]);

const [task = "", ...args] = process.argv.slice(2);
const cli = join(root, "apps", "cli", "bin", "warren.js");
const tasks = {
  test: [join(root, "node_modules", "vitest", "vitest.mjs"), "run", ...args],
  "bad-input": [
    join(root, "node_modules", "vitest", "vitest.mjs"),
    "run",
    "--project",
    "int",
    "--reporter",
    "./tools/bad-input/reporter.ts",
    "bad-input",
    ...args,
  ],
  verify: [join(root, "tools", "verify", "verify.mjs"), ...args],
  demo: [cli, "demo", ...args],
  warren: [cli, ...args],
  chaos: [join(root, "packages", "testkit", "dist", "chaos", "main.js"), ...args],
  simulate: [join(root, "packages", "testkit", "dist", "simulation", "command", "main.js"), ...args],
  bench: ["--conditions=@warren/source", join(root, "bench", "src", "main.ts"), ...args],
};
const command = tasks[task] ?? die(`unknown task ${JSON.stringify(task)}; one of ${Object.keys(tasks).join(", ")}`);
say(`running ${[task, ...args].join(" ")}`);
const child = spawn(tools.node, command, { cwd: root, env, stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
