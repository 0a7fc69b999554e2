import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { freePorts, testNamespace } from "@warren/test-servers";
import { describe, expect, inject, test, vi } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));

function warren(...args: readonly string[]) {
  const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8", env: { PATH: process.env["PATH"] } });
  return { status, stderr };
}

describe("the command's exit code", () => {
  test("is not 0 when something was wrong, and says what", () => {
    expect(warren("sub", "a..b")).toMatchObject({ status: 1, stderr: expect.stringContaining("PATTERN_INVALID") });
    expect(warren("check", "--broker", "http://127.0.0.1:1", "--archiver", "http://127.0.0.1:1").status).toBe(2);
    expect(warren("serve", "broker")).toMatchObject({ status: 78, stderr: expect.stringContaining("WARREN_AMQP_URL is not set") });
    expect(warren("no-such-command").status).toBe(1);
    expect(warren("--help").status).toBe(0);
  });

  test("is 0 after SIGTERM and SIGINT: a server drains, a subscriber says what it acked", async () => {
    const [port = 0] = await freePorts(1);
    const env = {
      PATH: process.env["PATH"],
      WARREN_AMQP_URL: inject("amqpUrl"),
      WARREN_DATABASE_URL: inject("databaseUrl"),
      WARREN_NAMESPACE: testNamespace(),
      WARREN_LISTEN: `127.0.0.1:${port}`,
    };
    const start = (...args: readonly string[]) => {
      const child = spawn(process.execPath, [main, ...args], { env, stdio: ["ignore", "ignore", "pipe"] });
      let said = "";
      child.stderr.on("data", (data: Buffer) => (said += data.toString()));
      return { child, said: () => said, ended: new Promise((resolve) => child.once("exit", resolve)) };
    };
    const server = start("serve", "archiver");
    // No broker: it tries again and again.
    const subscriber = start("sub", "#", "--broker", "http://127.0.0.1:1");
    await vi.waitFor(async () => expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200), { timeout: 30_000 });
    await vi.waitFor(() => expect(subscriber.said()).toContain("disconnected"), { timeout: 30_000 });
    server.child.kill("SIGTERM");
    subscriber.child.kill("SIGINT");
    expect([await server.ended, await subscriber.ended]).toEqual([0, 0]);
  });
});
