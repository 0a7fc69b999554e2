import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

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
});
