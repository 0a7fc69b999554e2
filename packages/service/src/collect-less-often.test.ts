import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { flagsToSet } from "./collect-less-often.ts";

const [external, growing, code] = ["--external-memory-accounted-in-global-limit", "--heap-growing-percent=100", "--no-flush-bytecode"];

test("flags of V8 are set where it knows them, and those of the command line stay", () => {
  expect(flagsToSet("13.6.233.17-node.53", [])).toEqual([external, growing, code]);
  expect(flagsToSet("12.4.254.21-node.33", [])).toEqual([]);
  expect(flagsToSet("13.6", ["--heap_growing_percent=50", "--inspect"])).toEqual([external, code]);
  expect(flagsToSet("13.6", ["--no-external-memory-accounted-in-global-limit"])).toEqual([growing, code]);
});

test("a flag that the command line takes back stays taken back", () => {
  expect(flagsToSet("13.6", ["--flush-bytecode"])).toEqual([external, growing]);
});

test("this V8 takes them: of a flag that it does not know it complains", () => {
  const complaints = (flags: readonly string[]): string => {
    const set = `for (const flag of ${JSON.stringify(flags)}) require("node:v8").setFlagsFromString(flag)`;
    return spawnSync(process.execPath, ["-e", set], { encoding: "utf8" }).stderr;
  };
  expect(complaints(flagsToSet(process.versions.v8, []))).toBe("");
  expect(complaints(["--no-such-flag"])).toContain("no-such-flag");
});
