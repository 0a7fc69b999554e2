import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { eventKey } from "./event-key.ts";
import { keyParameter, keysParameter, type EventIdentity, type KeyFormat } from "./event-keys.ts";

const keyOf = (format: KeyFormat, identity: EventIdentity): string => keyParameter(format, identity).toString("hex");

const source = "/shop";
const id = "0199f3a1-7c00-7abc-9def-0123456789ab";

describe("W3: the key of an event", () => {
  test("of the first format is the one that logs have had from the beginning, for every id", () => {
    for (const each of ["", "order-1", id, "\u0000é\uD83D\uDE00"])
      expect(keyOf(1, { source, id: each })).toBe(eventKey(source, each).replaceAll("-", ""));
  });

  test("of the second format begins as a UUIDv7 begins, so that keys of one time lie side by side", () => {
    expect(keyOf(2, { source, id }).slice(0, 16)).toBe("0199f3a17c007abc");
    expect(keyOf(2, { source, id })).not.toBe(keyOf(2, { source: "/other", id }));
  });

  test.each([
    ["upper case", id.toUpperCase()],
    ["one digit in upper case", id.replace("9def", "9deF")],
    ["another version", id.replace("-7abc", "-4abc")],
    ["another variant", id.replace("-9def", "-cdef")],
    ["no dashes", id.replaceAll("-", "")],
    ["a dash elsewhere", "0199f3a17-c00-7abc-9def-0123456789ab"],
    ["no digit", id.replace("0123", "012g")],
    ["beyond ASCII", id.replace("0123", "012é")],
    ["longer", `${id} `],
    ["empty", ""],
  ])("of an id that is no UUIDv7 as it is written (%s) is the same in both formats", (_, other) => {
    expect(keyOf(2, { source, id: other })).toBe(keyOf(1, { source, id: other }));
  });

  test("differs where source or id differ", () => {
    const ids = fc.oneof(fc.uuid({ version: 7 }), fc.uuid({ version: 4 }), fc.string());
    const identities = fc.record({ source: fc.oneof(fc.constantFrom("/a", "/b"), fc.string()), id: ids });
    fc.assert(
      fc.property(fc.uniqueArray(identities, { selector: (each) => JSON.stringify(each), minLength: 2 }), (all) => {
        expect(new Set(all.map((each) => keyOf(2, each))).size).toBe(all.length);
      }),
    );
  });

  test("is the same after more sources than are remembered", () => {
    const before = keyOf(2, { source, id });
    for (let i = 0; i < 2_000; i += 1) keyOf(2, { source: `/${i}`, id });
    expect(keyOf(2, { source, id })).toBe(before);
  });

  test("stands in a parameter of many, each at its place", () => {
    const all = [
      { source, id: "1" },
      { source, id },
    ];
    const bytes = keysParameter(2, all).toString("hex");
    expect(bytes.endsWith(all.map((each) => `00000010${keyOf(2, each)}`).join(""))).toBe(true);
    expect(keysParameter(2, [])).toHaveLength(20);
  });
});
