import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rabbitmqInstalled } from "@warren/test-servers";
import { describe, expect, test } from "vitest";
import { allFaults } from "./faults/all-faults.ts";
import { runChaos } from "./run.ts";

const [seed, seconds] = [4, 45];

describe.runIf(rabbitmqInstalled())("chaos (needs the package rabbitmq-server)", () => {
  test("a short chaos run keeps every promise", { timeout: 300_000 }, async () => {
    const base = await mkdtemp(join(tmpdir(), "warren-chaos-"));
    const lines: string[] = [];
    const verdict = await runChaos({ seed, seconds, faults: allFaults, folder: join(base, "run"), say: (line) => lines.push(line) });
    const { violations, invalid } = verdict;
    // Whoever sees it fail needs to know where everything is, and what was done to it.
    expect({ violations, invalid }, `seed ${seed}, kept in ${base}:\n${lines.join("\n")}`).toEqual({
      violations: [],
      invalid: [],
    });
    expect(verdict.acked).toBeGreaterThan(2_000);
    expect(verdict.kinds.length).toBeGreaterThan(5);
    await rm(base, { recursive: true });
  });
});
