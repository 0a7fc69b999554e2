import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";

/** Name and nice value of each thread of a process that ran this. */
function threadsAfter(run: string): readonly (readonly [string, number])[] {
  const program = `
    import { readdirSync, readFileSync } from "node:fs";
    import { getPriority } from "node:os";
    import { yieldToWork } from ${JSON.stringify(new URL("./yield-to-work.ts", import.meta.url).href)};
    ${run}
    const threads = readdirSync("/proc/self/task").map((id) => [readFileSync("/proc/self/task/" + id + "/comm", "utf8").trim(), getPriority(Number(id))]);
    console.log(JSON.stringify(threads));`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { encoding: "utf8" });
  expect(stderr).toBe("");
  return JSON.parse(stdout) as (readonly [string, number])[];
}

test.skipIf(process.platform !== "linux")(
  "helper threads of V8 come behind the program's own thread; a second time changes nothing",
  () => {
    const [before, after] = [threadsAfter(""), threadsAfter("yieldToWork(); yieldToWork();")];
    const own = before[0]?.[1] ?? Number.NaN;
    const helpersOf = (threads: typeof before) => threads.filter(([name]) => name === "V8Worker").map(([, nice]) => nice);
    expect(helpersOf(before).length).toBeGreaterThan(0);
    expect(new Set(helpersOf(before))).toEqual(new Set([own]));
    expect(new Set(helpersOf(after))).toEqual(new Set([Math.max(own, 10)]));
    expect(after[0]?.[1]).toBe(own);
  },
);
