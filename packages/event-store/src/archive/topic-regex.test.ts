import { topicMatches } from "@warren/protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { topicRegex } from "./topic-regex.ts";

describe("topicRegex()", () => {
  test("matches what the pattern matches", () => {
    const part = fc.constantFrom("a", "b", "*", "#");
    const word = fc.constantFrom("a", "b", "c", "");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.array(word, { minLength: 1, maxLength: 5 }), (pattern, words) => {
        // "#.#" is one "#", and is refused where patterns come in.
        fc.pre(!pattern.some((each, index) => each === "#" && pattern[index + 1] === "#"));
        // A stored type is never empty; only there do they differ, as an empty routing key has no word.
        fc.pre(words.join(".") !== "");
        expect(new RegExp(topicRegex(pattern.join("."))).test(words.join("."))).toBe(topicMatches(pattern.join("."), words.join(".")));
      }),
      { numRuns: 2_000 },
    );
  });
});
