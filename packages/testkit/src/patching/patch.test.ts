import { describe, expect, test } from "vitest";
import { applyPatch } from "./patch.ts";

describe("a patch", () => {
  const patch = { name: "it", file: "some.js", find: "if (a) return b;", replace: "return c;" };

  test("fits whatever white space lies between", () => {
    expect(applyPatch("x\n  if (a)\n    return b;\ny", patch)).toBe("x\n  return c;\ny");
  });

  test("is stale when its code is not there, or there twice", () => {
    expect(() => applyPatch("if (a) return d;", patch)).toThrow("it is stale: found 0 times in some.js");
    expect(() => applyPatch("if (a) return b; if (a) return b;", patch)).toThrow("it is stale: found 2 times in some.js");
  });

  test("replaces word for word", () => {
    expect(applyPatch("if (a) return b;", { ...patch, replace: "$& $1" })).toBe("$& $1");
  });
});
