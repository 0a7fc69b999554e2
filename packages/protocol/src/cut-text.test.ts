import { describe, expect, test } from "vitest";
import { cutText } from "./cut-text.ts";

describe("cutText()", () => {
  test("cuts at a character, by bytes", () => {
    expect(cutText("abc", 10)).toBe("abc");
    expect(cutText("abc", 2)).toBe("ab");
    expect(cutText("xé", 2)).toBe("x");
    expect(cutText("x😀😀", 8)).toBe("x😀");
    expect(cutText("a\uD800b", 10)).toBe("a\uFFFDb");
    expect(cutText("a", 0)).toBe("");
  });
});
