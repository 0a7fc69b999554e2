import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { interesting } from "../interesting.ts";
import { root } from "../../patching/patch.ts";

const main = fileURLToPath(new URL("packages/testkit/dist/simulation/command/main.js", root));

/** Exit code, and what it printed: the last line apart. */
async function simulate(...args: readonly string[]) {
  const { promise, resolve } = Promise.withResolvers<{ code: unknown; lines: readonly string[]; last: string }>();
  execFile(process.execPath, [main, ...args], { encoding: "utf8", maxBuffer: 64 * 1024 * 1024 }, (error, stdout) => {
    const lines = stdout.trimEnd().split("\n");
    resolve({ code: error?.code ?? 0, lines: lines.slice(0, -1), last: lines.at(-1) ?? "" });
  });
  return promise;
}

describe("npm run simulate", { timeout: 60_000 }, () => {
  test("runs seeds on threads, and ends with what it came to", async () => {
    const { code, last } = await simulate("--seconds", "0.3", "--seed", "5", "--workers", "2");
    const report = JSON.parse(last) as Record<string, unknown>;
    expect(report).toMatchObject({ seed: 5, seconds: 0.3, workers: 2, violations: [] });
    expect(report["steps"]).toBeGreaterThan(1000);
    expect(report["runs"]).toBeGreaterThan(1);
    // So short that it cannot have seen everything.
    expect(interesting).toEqual(expect.arrayContaining(report["uncovered"] as string[]));
    expect(code).toBe(2);
  });

  test("tells what happens in one run, the same each time", async () => {
    const [first, second] = [await simulate("--run", "7"), await simulate("--run", "7")];
    expect(first.code).toBe(0);
    expect(first.lines.length).toBeGreaterThan(100);
    expect(JSON.parse(first.last)).toMatchObject({ seed: 7, violation: null });
    expect(second).toEqual(first);
  });

  test("refuses what it does not know", async () => {
    expect((await simulate("--seconds", "soon")).code).toBe(64);
    expect((await simulate("--second", "3")).code).toBe(64);
    expect((await simulate("7")).code).toBe(64);
  });

  test("plants the bugs that are asked for, and says which were found", async () => {
    const { code, lines, last } = await simulate("--mutants", "--seconds", "20", "returned-is-ok");
    expect(lines.at(-1)).toMatch(/^\| returned-is-ok \| .* \| P1: /);
    expect(JSON.parse(last)).toMatchObject({ mutants: 1, killed: 1, survived: [] });
    expect(code).toBe(0);
  });
});
