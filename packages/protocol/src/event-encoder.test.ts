import { create } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWarrenError } from "./errors.ts";
import { EventEncoder } from "./event-encoder.ts";
import { encodeEvent, type EventFields } from "./event.ts";
import type { Event } from "./gen/warren/v1/event_pb.ts";
import { anyEvent, newEvent } from "./testing/any-event.ts";

const publishable = fc
  .tuple(anyEvent, fc.constantFrom("a", "order.created", "com.github.issues.opened"))
  .map(([event, type]) =>
    Object.assign(event, { type, id: event.id.replaceAll("\uFFFD", "x"), extensions: withoutNames(event.extensions) }),
  );

function withoutNames(extensions: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(extensions).filter(([name]) => !["id", "type", "time"].includes(name.toLowerCase())));
}

/** Its bytes as a pack has them: with those before it untouched, and nothing behind them written for good. */
function encode(encoder: EventEncoder, event: EventFields): Uint8Array {
  const before = 7;
  const bytes = new Uint8Array(before + EventEncoder.mostBytes);
  const end = encoder.encodeInto(event, bytes, before);
  expect(bytes.subarray(0, before).every((byte) => byte === 0)).toBe(true);
  return end < 0 ? encodeEvent(event).bytes : bytes.slice(before, end);
}

describe("an event encoder", () => {
  test("W12: writes what the protobuf library writes, for any event; one event does not touch another", () => {
    fc.assert(
      fc.property(fc.array(publishable, { maxLength: 20 }), (events) => {
        const encoder = new EventEncoder();
        const expected = events.map((event) => [...encodeEvent(event).bytes]);
        expect(events.map((event) => [...encode(encoder, event)])).toEqual(expected);
        const written = events.map((event) => encoder.write(event) ?? encodeEvent(event).bytes);
        expect(written.map((bytes) => [...bytes])).toEqual(expected);
      }),
    );
  });

  test("writes the attributes of each event, also where some before it were alike", () => {
    const [first, second] = ["a", "é"];
    const alike = fc.record({
      source: fc.constantFrom("/a", "/b"),
      subject: fc.constantFrom("", first, second),
      partitionKey: fc.constantFrom("", first),
      dataContentType: fc.constantFrom("", "text/plain"),
    });
    // In runs: what is remembered of a run must not be written in the next one.
    const runs = fc.array(fc.tuple(alike, fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(runs, (attributes) => {
        const encoder = new EventEncoder();
        const events = attributes.flatMap(([each, times]) => Array.from({ length: times }, (_, n) => newEvent({ ...each, id: `${n}` })));
        expect(events.map((event) => [...encode(encoder, event)])).toEqual(events.map((event) => [...encodeEvent(event).bytes]));
      }),
    );
  });

  test.each([0, 1, 40, 48, 49, 127, 128, 5_000, 6_000, 70_000])("writes texts of %i characters, in one byte or in three", (length) => {
    const encoder = new EventEncoder();
    for (const letter of ["x", "é", "漢", "😀"]) {
      const text = letter.repeat(length);
      const event = newEvent({ subject: text.slice(0, 1_000), extensions: { a: text.slice(0, 100) }, body: { case: "text", value: text } });
      expect(encode(encoder, event)).toEqual(encodeEvent(event).bytes);
    }
  });

  test("puts events side by side, so that a pack need not be copied together", () => {
    const encoder = new EventEncoder();
    const one = encoder.write(newEvent({ id: "1" }));
    const two = encoder.write(newEvent({ id: "2" }));
    expect(two?.buffer).toBe(one?.buffer);
    expect(two?.byteOffset).toBe((one?.byteOffset ?? 0) + (one?.length ?? 0));
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
      expect(() => encode(encoder, event)).toThrow(expect.toSatisfy((error) => isWarrenError(error, "EVENT_INVALID")));
  });

  test("W12: an event that is right says nothing of one that differs from it in anything", () => {
    const encoder = new EventEncoder();
    const right = newEvent({ id: "1", subject: "s" });
    const changes: readonly Partial<Event>[] = [
      { id: "\u0001\0" },
      { id: "x".repeat(256) },
      { source: "" },
      { type: "no type" },
      { subject: "\uD800" },
      { dataContentType: "x".repeat(256) },
      { dataSchema: "\0" },
      { partitionKey: "\0" },
      { extensions: { type: "a" } },
      { body: { case: "text", value: "\uD800" } },
    ];
    for (const change of changes) {
      encode(encoder, right);
      expect(() => encode(encoder, newEvent({ ...right, ...change }))).toThrow(
        expect.toSatisfy((error) => isWarrenError(error, "EVENT_INVALID")),
      );
      // Nor does one that was wrong.
      expect(() => encode(encoder, newEvent({ ...right, ...change }))).toThrow();
    }
  });

  test("W12: checks the size of what travels in another form: of its bytes, not of its letters", () => {
    const encoder = new EventEncoder();
    const text = (letter: string, length: number) => newEvent({ body: { case: "text", value: letter.repeat(length) } });
    expect(encoder.check(text("x", 1_000))).toBeGreaterThanOrEqual(encodeEvent(text("x", 1_000)).bytes.length);
    expect(encoder.check(text("x", 1_000_000))).toBe(encodeEvent(text("x", 1_000_000)).bytes.length);
    expect(() => encoder.check(text("漢", 400_000))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "TOO_LARGE")));
  });
});
