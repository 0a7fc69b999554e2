import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWarrenError } from "./errors.ts";
import { EventEncoder } from "./event-encoder.ts";
import { encodeEvent } from "./event.ts";
import { anyEvent, newEvent } from "./testing/any-event.ts";

const publishable = fc
  .tuple(anyEvent, fc.constantFrom("a", "order.created", "com.github.issues.opened"))
  .map(([event, type]) =>
    Object.assign(event, { type, id: event.id.replaceAll("\uFFFD", "x"), extensions: withoutNames(event.extensions) }),
  );

function withoutNames(extensions: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(extensions).filter(([name]) => !["id", "type", "time"].includes(name.toLowerCase())));
}

describe("an event encoder", () => {
  test("W12: writes what the protobuf library writes, for any event; one event does not touch another", () => {
    fc.assert(
      fc.property(fc.array(publishable, { maxLength: 20 }), (events) => {
        const encoder = new EventEncoder();
        const slices = events.map((event) => encoder.encode(event));
        expect(slices.map(({ bytes }) => [...bytes])).toEqual(events.map((event) => [...encodeEvent(event).bytes]));
        expect(slices.map(({ id, source, type }) => [id, source, type])).toEqual(events.map(({ id, source, type }) => [id, source, type]));
      }),
    );
  });

  test.each([0, 1, 40, 48, 49, 127, 128, 5_000, 6_000, 70_000])("writes texts of %i characters, in one byte or in three", (length) => {
    const encoder = new EventEncoder();
    for (const letter of ["x", "é", "漢", "😀"]) {
      const text = letter.repeat(length);
      const event = newEvent({ subject: text.slice(0, 1_000), extensions: { a: text.slice(0, 100) }, body: { case: "text", value: text } });
      expect(encoder.encode(event).bytes).toEqual(encodeEvent(event).bytes);
    }
  });

  test("puts events side by side, so that a pack need not be copied together", () => {
    const encoder = new EventEncoder();
    const one = encoder.encode(newEvent({ id: "1" })).bytes;
    const two = encoder.encode(newEvent({ id: "2" })).bytes;
    expect(two.buffer).toBe(one.buffer);
    expect(two.byteOffset).toBe(one.byteOffset + one.length);
  });

  test("W12: refuses what no receiver takes, as the slow way does", () => {
    const encoder = new EventEncoder();
    const wrong = [
      newEvent({ id: "" }),
      newEvent({ type: "not valid" }),
      newEvent({ subject: "a\0" }),
      newEvent({ body: { case: "text", value: "\uD800" } }),
      newEvent({ time: create(TimestampSchema, { seconds: 253_402_300_800n }) }),
      newEvent({ time: create(TimestampSchema, { nanos: -1 }) }),
      newEvent({ source: 7 as unknown as string }),
    ];
    for (const event of wrong)
      expect(() => encoder.encode(event)).toThrow(expect.toSatisfy((error) => isWarrenError(error, "EVENT_INVALID")));
  });

  test("W12: checks the size of what travels in another form: of its bytes, not of its letters", () => {
    const encoder = new EventEncoder();
    const text = (letter: string, length: number) => newEvent({ body: { case: "text", value: letter.repeat(length) } });
    expect(encoder.check(text("x", 1_000))).toBeGreaterThanOrEqual(encodeEvent(text("x", 1_000)).bytes.length);
    expect(encoder.check(text("x", 1_000_000))).toBe(encodeEvent(text("x", 1_000_000)).bytes.length);
    expect(() => encoder.check(text("漢", 400_000))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "TOO_LARGE")));
  });
});
