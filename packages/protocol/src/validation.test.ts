import { describe, expect, test } from "vitest";
import { isWarrenError } from "./errors.ts";
import { encodeEvent, toEvent } from "./event.ts";
import { Limits, Times } from "./limits.ts";
import { canonicalPatterns, checkConsumerName, checkPatterns } from "./validation.ts";

const fails = (run: () => void, code: string): void => {
  expect(run).toThrow(expect.toSatisfy((error: unknown) => isWarrenError(error) && error.code === code));
};

describe("checkConsumerName()", () => {
  test.each(["billing", "__proto__", "constructor", "' OR 1=1--", "${x}", "漢字 名", "a/b..c%00", "x".repeat(200)])("takes %j", (name) => {
    expect(() => checkConsumerName(name)).not.toThrow();
  });
  test.each(["", "x".repeat(201), "é".repeat(101), "a\nb", "a\0", "\u202Eabc", "e\u0301", " a", "a ", "a\u2028b", "\uD800"])(
    "refuses %j",
    (name) => {
      fails(() => checkConsumerName(name), "NAME_INVALID");
    },
  );
});

describe("checkPatterns()", () => {
  test.each([["#"], ["a.#"], ["*.b-c.d_e"], ["#.a.#"], [Array.from({ length: 16 }, () => "a").join(".")]])("takes %j", (pattern) => {
    expect(() => checkPatterns([pattern])).not.toThrow();
  });
  test.each(["", "#.a.#.b.#", "#.#", "a..b", ".a", "a b", "é", "a#", "x".repeat(201), Array.from({ length: 17 }, () => "a").join(".")])(
    "refuses %j",
    (pattern) => {
      fails(() => checkPatterns([pattern]), "PATTERN_INVALID");
    },
  );
  test("refuses none, and more than 32", () => {
    fails(() => checkPatterns([]), "PATTERN_INVALID");
    fails(() => checkPatterns(Array.from({ length: 33 }, (_, i) => `p${i}`)), "PATTERN_INVALID");
  });
  test("equal sets have one canonical form", () => {
    expect(canonicalPatterns(["b", "a", "b"])).toEqual(canonicalPatterns(["a", "b"]));
  });
});

describe("encodeEvent()", () => {
  const event = (more: object) => toEvent({ type: "a.b", source: "/s", ...more }, { id: "1", now: new Date(0) });
  test.each([
    [{ type: "" }, "EVENT_INVALID"],
    [{ type: "x".repeat(201) }, "EVENT_INVALID"],
    [{ type: Array.from({ length: 17 }, () => "a").join(".") }, "EVENT_INVALID"],
    [{ type: "a..b" }, "EVENT_INVALID"],
    [{ source: "" }, "EVENT_INVALID"],
    [{ id: "x".repeat(256) }, "EVENT_INVALID"],
    [{ data: "\uD800" }, "EVENT_INVALID"],
    [{ extensions: { big: "x".repeat(Limits.extensionBytes) } }, "EVENT_INVALID"],
    [{ data: "x".repeat(Limits.eventBytes + 1) }, "TOO_LARGE"],
  ])("refuses %j", (more, code) => {
    fails(() => void encodeEvent(event(more)), code);
  });
});

test("what is no text is told with its kind, whatever the types of the program let pass", () => {
  const from = (more: object) => () =>
    void encodeEvent({ ...toEvent({ type: "a.b", source: "/s" }, { id: "1", now: new Date(0) }), ...more });
  expect(from({ extensions: { x: 7 } })).toThrow("extension x is a number, not a text");
  expect(from({ type: 7 })).toThrow("type is a number");
  expect(from({ subject: 7n })).toThrow("subject is a bigint, not a text");
});

describe("Times", () => {
  test("are in the order that they must have among themselves", () => {
    expect(Times.http2PingMs + Times.http2PingTimeoutMs).toBeLessThan(Times.sessionMs);
    expect(Times.heartbeatMs).toBeLessThan(Times.sessionMs);
    expect(Times.databaseStatementMs).toBeLessThan(Times.databaseSocketMs);
    expect(Times.databaseLockMs).toBeLessThan(Times.databaseStatementMs);
    expect(Times.publishConfirmMs).toBeGreaterThan(2 * Times.amqpHeartbeatMs);
    expect(Times.offsetFlushMs).toBeLessThan(Times.heartbeatMs);
    expect(Times.backoffMinMs).toBeLessThan(Times.backoffMaxMs);
  });
});
