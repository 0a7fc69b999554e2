import fc from "fast-check";
import { expect, test } from "vitest";
import { unpack } from "./amqp/pack.ts";
import { hasGreaterId, writeUuidV7 } from "./event-id.ts";
import type { EventSlice } from "./event-slice.ts";
import { encodeEvent } from "./event.ts";
import { newEvent } from "./testing/any-event.ts";
import { joinSlices } from "./walker/walk-batch.ts";

/** Events with these ids as a pack gives them. */
const packed = (ids: readonly string[]): readonly EventSlice[] =>
  unpack(joinSlices(ids.map((id) => encodeEvent(newEvent({ id })))).bytes).events;

/** Texts that begin alike, and go on with what UTF-8 and UTF-16 order differently. */
const text = fc
  .array(fc.constantFrom("a", "b", "\u007F", "é", "\uD7FF", "\uE000", "\uFF01", "\u{10000}", "\u{10FFFF}"), { minLength: 1, maxLength: 4 })
  .map((letters) => letters.join(""));

test("W3: the ids of two events are in the order of their texts, wherever they are read", () => {
  fc.assert(
    fc.property(text, text, (id, other) => {
      const [one, two] = packed([id, other]);
      if (one === undefined || two === undefined) throw new Error("two events");
      const expected = id > other;
      expect([hasGreaterId(one, two), hasGreaterId({ id }, two), hasGreaterId(one, { id: other })]).toEqual([expected, expected, expected]);
    }),
    { numRuns: 2_000 },
  );
});

const digits = fc.constantFrom(..."0123456789abcdefAg-é".split(""));
const nearly = fc
  .tuple(fc.uuid({ version: 7 }), fc.nat({ max: 35 }), digits)
  .map(([id, at, digit]) => id.slice(0, at) + digit + id.slice(at + 1));

test("W3: an id is the same UUIDv7, or none, as a text and in a pack", () => {
  const id = "0199f3a1-7c00-7abc-9def-0123456789ab";
  const read = (event: { readonly id: string }): string | undefined => {
    const target = Buffer.alloc(18);
    return writeUuidV7(event, target, 1) ? target.toString("hex") : undefined;
  };
  expect(packed([`${id}0`, id.slice(0, -1)]).map(read)).toEqual([undefined, undefined]);
  expect([{ id }, ...packed([id])].map(read)).toEqual(Array.from({ length: 2 }, () => `00${id.replaceAll("-", "")}00`));
  fc.assert(
    fc.property(fc.oneof(fc.uuid({ version: 7 }), nearly, text), (each) => {
      expect(packed([each]).map(read)).toEqual([read({ id: each })]);
    }),
  );
});
