import { createHash } from "node:crypto";
import { UuidSource } from "@warren/protocol";
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

  test.each([2, 3] as const)("of format %i begins as a UUIDv7 begins, so that keys of one time lie side by side", (format) => {
    expect(keyOf(format, { source, id }).slice(0, 16)).toBe("0199f3a17c007abc");
    expect(keyOf(format, { source, id })).not.toBe(keyOf(format, { source: "/other", id }));
  });

  test("of the second and the third format has the first 64 bits of a hash of its source in it, XORed or added", () => {
    const lower = BigInt(`0x${id.replaceAll("-", "").slice(16)}`);
    for (const each of [source, "/other", "", "é"]) {
      const mask = createHash("sha256").update(each).digest().readBigUInt64BE();
      expect(BigInt(`0x${keyOf(2, { source: each, id }).slice(16)}`)).toBe(lower ^ mask);
      expect(BigInt(`0x${keyOf(3, { source: each, id }).slice(16)}`)).toBe(BigInt.asUintN(64, lower + mask));
    }
  });

  test("of the third format is in the order of the ids that a publisher makes", () => {
    const ids = new UuidSource(() => 0x1234_5678);
    const keys = Array.from({ length: 2_000 }, () => keyOf(3, { source, id: ids.next(1_760_000_000_000) }));
    expect(keys).toEqual(keys.toSorted());
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
  ])("of an id that is no UUIDv7 as it is written (%s) is the same in all formats", (_, other) => {
    for (const format of [2, 3] as const) expect(keyOf(format, { source, id: other })).toBe(keyOf(1, { source, id: other }));
  });

  test("differs where source or id differ", () => {
    const ids = fc.oneof(fc.uuid({ version: 7 }), fc.uuid({ version: 4 }), fc.string());
    const identities = fc.record({ source: fc.oneof(fc.constantFrom("/a", "/b"), fc.string()), id: ids });
    fc.assert(
      fc.property(fc.uniqueArray(identities, { selector: (each) => JSON.stringify(each), minLength: 2 }), (all) => {
        for (const format of [2, 3] as const) expect(new Set(all.map((each) => keyOf(format, each))).size).toBe(all.length);
      }),
    );
  });

  test("is the same after more sources than are remembered", () => {
    const before = keyOf(3, { source, id });
    for (let i = 0; i < 2_000; i += 1) keyOf(3, { source: `/${i}`, id });
    expect(keyOf(3, { source, id })).toBe(before);
  });

  test("stands in a parameter of many, each at its place", () => {
    const all = [
      { source, id: "1" },
      { source, id },
    ];
    const bytes = keysParameter(3, all).toString("hex");
    expect(bytes.endsWith(all.map((each) => `00000010${keyOf(3, each)}`).join(""))).toBe(true);
    expect(keysParameter(3, [])).toHaveLength(20);
  });
});
