import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, expect, test } from "vitest";

const runService = new URL("./run-service.ts", import.meta.url).href;
const logger = new URL("./logger.ts", import.meta.url).href;

/** Runs a service whose `start` is `body`, in a process of its own. */
async function run(body: string): Promise<{ readonly code: number | null; readonly output: string }> {
  const program = `
    import { runService } from ${JSON.stringify(runService)};
    import { createLogger } from ${JSON.stringify(logger)};
    const app = { async start() { ${body} }, async drain() {} };
    await runService(async () => ({ app, logger: createLogger({ name: "crash", level: "info" }) }));
    setInterval(() => undefined, 1_000);`;
  const args = ["--conditions=@warren/source", "--input-type=module", "--eval", program];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "ignore", "pipe"] });
  let output = "";
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const [code] = (await once(child, "close")) as [number | null];
  return { code, output };
}

describe("a service whose state is unknown does not go on", () => {
  test.each([
    ["an uncaught exception", 'setTimeout(() => { throw new Error("from nowhere"); }, 1);'],
    ["a rejection that nobody handles", 'void Promise.reject(new Error("from nowhere"));'],
    ["a failed start", 'throw new Error("from nowhere");'],
  ])("S23: %s is logged, and the process exits with 1", async (_, body) => {
    const { code, output } = await run(body);
    expect(code).toBe(1);
    const line = output.split("\n").find((each) => each.startsWith("{"));
    expect(JSON.parse(line ?? "{}")).toMatchObject({ level: "error", msg: "the process ends", err: { message: "from nowhere" } });
  });

  test("S20: what ends the process is logged without its passwords", async () => {
    const { code, output } = await run('throw new Error("connect postgres://warren:canary@db/x failed");');
    expect(code).toBe(1);
    expect(output).not.toContain("canary");
  });
});

test.skipIf(process.platform !== "linux")("a service has V8's helper threads come behind its own", async () => {
  const { code, output } = await run(`
    const { readdirSync, readFileSync } = await import("node:fs");
    const { getPriority } = await import("node:os");
    const helpers = readdirSync("/proc/self/task").filter((id) => readFileSync("/proc/self/task/" + id + "/comm", "utf8").trim() === "V8Worker");
    process.stderr.write("helpers " + helpers.filter((id) => getPriority(Number(id)) < 10).length + " of " + helpers.length);
    process.exit(0);`);
  expect(code).toBe(0);
  expect(output).toMatch(/helpers 0 of [1-9]/);
});
