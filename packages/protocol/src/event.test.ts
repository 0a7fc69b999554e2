import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWarrenError } from "./errors.ts";
import { decodeEvent, encodeEvent, toEvent, type NewEvent } from "./event.ts";
import { StoredEvent } from "./recorded-event.ts";
import { anyEvent, newEvent } from "./testing/any-event.ts";

const defaults = { id: "made", now: new Date(5) };
const made = (more: Partial<NewEvent>) => toEvent({ type: "a.b", source: "/s", ...more }, defaults);
const recorded = (more: Partial<NewEvent>) => new StoredEvent(decodeEvent(encodeEvent(made(more)).bytes), 7n, new Date(9));

describe("an event, published and received", () => {
  test.each<[string, unknown, string | undefined, string]>([
    ["an object", { a: [1, null] }, "application/json", '{"a":[1,null]}'],
    ["null", null, "application/json", "null"],
    ["text", "é\0", "text/plain", "é\0"],
    ["nothing", undefined, undefined, ""],
  ])("has %s as its data", (_name, data, dataContentType, text) => {
    const event = recorded({ data });
    expect(event).toMatchObject({ id: "made", time: new Date(5), offset: 7n, recordedAt: new Date(9), dataContentType, data });
    expect(new TextDecoder().decode(event.bytes)).toBe(text);
  });

  test("has bytes as its data, and text of a JSON type is a JSON string: what goes in comes out", () => {
    expect(recorded({ data: Uint8Array.of(1, 2) })).toMatchObject({
      data: Uint8Array.of(1, 2),
      dataContentType: "application/octet-stream",
    });
    expect(recorded({ data: "x", dataContentType: "application/json" }).data).toBe("x");
    const encoded = new TextEncoder().encode('{"a":1}');
    expect(recorded({ data: encoded, dataContentType: "application/vnd.x+json; charset=utf-8" }).data).toEqual({ a: 1 });
  });

  test("parses its data when it is asked for, once", () => {
    const event = new StoredEvent(newEvent({ dataContentType: "application/json", body: { case: "text", value: "{" } }), 1n, new Date());
    expect(event.type).toBe("order.created");
    expect(() => event.data).toThrow(SyntaxError);
    const good = recorded({ data: { a: 1 } });
    expect(good.data).toBe(good.data);
  });

  test("keeps an extension called __proto__", () => {
    const extensions = Object.fromEntries([["__proto__", "x"]]);
    expect([...recorded({ extensions }).extensions]).toEqual([["__proto__", "x"]]);
  });
});

describe("toEvent() and encodeEvent()", () => {
  const loop: Record<string, unknown> = {};
  loop["self"] = loop;
  test.each<[string, Partial<NewEvent>]>([
    ["a cycle", { data: loop }],
    ["a bigint", { data: 1n }],
    ["a function", { data: () => 1 }],
    ["a date that is none", { time: new Date(Number.NaN) }],
    ["a year above 9999", { time: new Date(8.64e15) }],
    ["NUL in the subject", { subject: "a\0b" }],
    ["half a surrogate pair in an extension", { extensions: { k: "\uD800" } }],
    ["an extension called like an attribute", { extensions: { Source: "x" } }],
    ["an extension without a name", { extensions: { "": "x" } }],
    ["a replacement character in the id", { id: "a\uFFFD" }],
  ])("refuse %s", (_name, more) => {
    expect(() => encodeEvent(made(more))).toThrow(expect.objectContaining({ name: "WarrenError", code: "EVENT_INVALID" }) as Error);
  });

  test("W12: what they let pass is what a receiver takes", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const valid = { ...event, type: "a.b" };
        try {
          expect(decodeEvent(encodeEvent(valid).bytes)).toEqual(valid);
        } catch (error) {
          if (!isWarrenError(error, "EVENT_INVALID")) throw error;
        }
      }),
    );
  });
});
