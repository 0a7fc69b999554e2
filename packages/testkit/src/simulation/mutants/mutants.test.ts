import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { applyPatch, root } from "../../patching/patch.ts";
import { mutants } from "./index.ts";
import { runMutant } from "./run-mutants.ts";

/** One for each rule, all found within a few runs. All of them: `npm run simulate -- --mutants`. */
const quick = new Set(["tag-of-closed-channel", "cut-inside-pack", "handed-twice", "halves-swapped", "returned-is-ok", "sent-is-settled"]);

describe("planted bugs", () => {
  test("have names of their own", () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });

  test.each(mutants)("$name still fits the built code", (mutant) => {
    const built = readFileSync(new URL(mutant.file, root), "utf8");
    expect(applyPatch(built, mutant)).not.toBe(built);
  });

  test.each(mutants.filter(({ name }) => quick.has(name)))("$name is found", { timeout: 60_000 }, async (mutant) => {
    const { text } = await runMutant(mutant, { seed: 1, seconds: 30 });
    expect(text).toBeDefined();
  });
});
