import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TopicMatcher, topicMatches } from "./topic.ts";

/** The definition, read literally: exponential, and so only for small inputs. */
function reference(pattern: readonly string[], words: readonly string[]): boolean {
  const [part, ...rest] = pattern;
  if (part === undefined) return words.length === 0;
  if (part === "#") return reference(rest, words) || (words.length > 0 && reference(pattern, words.slice(1)));
  const [word, ...others] = words;
  return word !== undefined && (part === "*" || part === word) && reference(rest, others);
}

describe("topicMatches()", () => {
  test.each([
    ["a.#", "a", true],
    ["#", "", true],
    ["#.a", "a", true],
    ["*", "", false],
    ["", "", true],
    ["*.#", "", false],
    ["*.*", ".", true],
    ["a.*", "a.", true],
    ["*", "a.b", false],
    ["a.*.c", "a..c", true],
    ["a.*", "a", false],
    ["a.b", "a.b", true],
    ["a.#.c", "a.b.b.c", true],
    ["a.#.c", "a.b.b", false],
  ])("%s and %s: %s", (pattern, type, expected) => {
    expect(topicMatches(pattern, type)).toBe(expected);
  });

  test("agrees with the definition for all small inputs", () => {
    const part = fc.constantFrom("a", "b", "*", "#", "");
    const word = fc.constantFrom("a", "b", "c", "");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 5 }), fc.array(word, { minLength: 1, maxLength: 5 }), (pattern, words) => {
        const [left, right] = [pattern.join("."), words.join(".")];
        // An empty routing key has no word.
        expect(topicMatches(left, right)).toBe(reference(left === "" ? [] : pattern, right === "" ? [] : words));
      }),
    );
  });

  test("stays fast for a pattern that stops a backtracking matcher", () => {
    expect(topicMatches("#.a.#.a.#.a.#.a.#.a.#.a.zz", Array.from({ length: 200 }, () => "a").join("."))).toBe(false);
  });

  test("a matcher matches when any pattern does", () => {
    const matcher = new TopicMatcher(["a.*", "b.#"]);
    expect(["a.x", "b", "b.x.y", "a", "c"].map((type) => matcher.matches(type))).toEqual([true, true, true, false, false]);
    expect(new TopicMatcher(["#"]).matches("anything")).toBe(true);
  });
});
