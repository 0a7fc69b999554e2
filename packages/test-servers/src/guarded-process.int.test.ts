import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { startGuarded } from "./guarded-process.ts";
import { pidIn, signal, until } from "./server-faults.ts";

test("a guarded process ends with us when we are killed, also one that is paused, and its folder is removed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "warren-guard-"));
  const pidFile = join(folder, "pid");
  const guard = fileURLToPath(new URL("./guarded-process.ts", import.meta.url));
  const server = `echo $$ >"${pidFile}"; exec sleep 600`;
  const program = `import { startGuarded } from ${JSON.stringify(guard)};
    startGuarded(["sh", "-c", ${JSON.stringify(server)}], { env: process.env, folder: ${JSON.stringify(folder)} });
    setInterval(() => undefined, 1000);`;
  const owner = spawn(process.execPath, ["--input-type=module-typescript", "-e", program], { stdio: "ignore" });
  await until("the server starts", 10_000, () => existsSync(pidFile));
  const pid = await pidIn(pidFile);
  signal(pid, "SIGSTOP");
  owner.kill("SIGKILL");
  await until("the folder is removed", 20_000, () => !existsSync(folder));
  expect(signal(pid, 0)).toBe(false);
});

test("a server that ends by itself is noticed, and what it printed is kept", async () => {
  const folder = await mkdtemp(join(tmpdir(), "warren-guard-"));
  const server = startGuarded(["sh", "-c", "echo no port is free; exit 1"], { env: process.env, folder });
  expect(await server.ended).toContain("no port is free");
  expect(existsSync(folder)).toBe(false);
  await server.stop();
});
