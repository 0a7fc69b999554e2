import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isWarrenError } from "./errors.ts";
import { EventEncoder } from "./event-encoder.ts";
import { bodyOf, encodeEvent, toEventFields, type EventDefaults, type NewEvent } from "./event.ts";
import { anyEvent, newEvent } from "./testing/any-event.ts";

const defaults: EventDefaults = { id: "made", now: 1_700_000_000_123 };
const right: NewEvent = { type: "order.created", source: "/shop" };

/** Its bytes as a pack has them: with those before it untouched, and nothing behind them written for good. */
function encode(encoder: EventEncoder, event: NewEvent, given = defaults): Uint8Array {
  const before = 7;
  const bytes = new Uint8Array(before + EventEncoder.mostBytes);
  const end = encoder.encodeInto(event, bodyOf(event), given, bytes, before);
  expect(bytes.subarray(0, before).every((byte) => byte === 0)).toBe(true);
  return typeof end === "number" ? bytes.slice(before, end) : end;
}

/** The slow way. */
const library = (event: NewEvent, given = defaults): Uint8Array => encodeEvent(toEventFields(event, given)).bytes;

/** Bytes, or what it throws. */
function outcome(encoded: () => Uint8Array): string {
  try {
    return Buffer.from(encoded()).toString("hex");
  } catch (error) {
    return isWarrenError(error) ? `${error.code} ${error.message}` : String(error);
  }
}

/** Usual values, and some that a program without types may give, or that are wrong. */
const mostly = <T>(usual: readonly T[], rare: readonly unknown[]): fc.Arbitrary<T> =>
  fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...(rare as readonly T[])) });
const long = "x".repeat(5_500);
const text = mostly<string | undefined>([undefined], ["", "a", "é", "\0", "\uD800", null, 7, "x".repeat(5_000)]);
const attributes: fc.Arbitrary<NewEvent> = fc.record({
  type: mostly(["a.b"], ["a", "", "a b", "x".repeat(300), undefined, 7]),
  source: mostly(["/s"], ["/é", "", "\0", undefined, 7, "x".repeat(5_000)]),
  subject: text,
  dataSchema: text,
  partitionKey: text,
  dataContentType: mostly<string | undefined>(
    [undefined, undefined, undefined, "text/plain"],
    ["", "application/json", "application/octet-stream", "\0", null, 7],
  ),
});
/** What differs from event to event. */
const rest: fc.Arbitrary<Partial<NewEvent>> = fc.record({
  id: fc.constantFrom(undefined, undefined, "", "1", "é", "\0", "\uFFFD", "\uD800", ...[48, 49, 127, 256, 6_000].map((n) => "x".repeat(n))),
  time: mostly<Date | undefined>(
    [undefined, new Date(0), new Date(1), new Date(1_700_000_000_123), new Date(4_294_967_296_000), new Date(253_402_300_799_999)],
    [new Date(-1), new Date(253_402_300_800_000), new Date(Number.NaN), null, 5, "2020-01-01"],
  ),
  data: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(new Uint8Array(256), Buffer.from("é"), new Uint8Array(16_200)) },
    { weight: 9, arbitrary: fc.constantFrom("", "é", long, long.slice(0, 20), { a: "é" }, null) },
    { weight: 1, arbitrary: fc.constantFrom("\uD800", 1n, () => 1, "é".repeat(600_000), new Uint8Array(2 ** 20)) },
  ),
  extensions: mostly<NewEvent["extensions"]>(
    [undefined, undefined, undefined, {}, { a: "é" }],
    [{ type: "a" }, { a: "\0" }, null, { a: 7 }],
  ),
});

describe("an event encoder", () => {
  test("W12: gives the bytes that the protobuf library writes, or throws what the slow way throws, for whatever is given; one event does not touch another", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(attributes, fc.array(fc.tuple(rest, fc.nat({ max: 2 })), { minLength: 1, maxLength: 8 })), { maxLength: 8 }),
        (runs) => {
          const encoder = new EventEncoder();
          const events = runs.flatMap(([alike, each]) => each.map(([own, ms]) => ({ event: { ...alike, ...own }, ms })));
          for (const { event, ms } of events) {
            const id = `made ${ms}`;
            // Another may have been made meanwhile.
            const text = ms === 2 ? "other!" : id;
            const given = { id, made: { text, ascii: new TextEncoder().encode(text) }, now: defaults.now + ms };
            expect(outcome(() => encode(encoder, event, given))).toBe(outcome(() => library(event, given)));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([0, 1, 40, 48, 49, 127, 128, 5_000, 6_000, 70_000])("writes texts of %i characters, in one byte or in three", (length) => {
    for (const letter of ["x", "é", "漢", "😀"]) {
      const data = letter.repeat(length);
      const event = { ...right, subject: data.slice(0, 1_000), data };
      const encoder = new EventEncoder();
      for (const each of [event, event, event, { ...event, extensions: { a: data.slice(0, 100) } }])
        expect(encode(encoder, each)).toEqual(library(each));
    }
  });

  test("writes an event of another form as the protobuf library does, side by side with the one before", () => {
    fc.assert(
      fc.property(
        fc.array(
          anyEvent.map((event) => Object.assign(event, { type: "a" })),
          { maxLength: 20 },
        ),
        (events) => {
          const encoder = new EventEncoder();
          const valid = events.filter((event) => outcome(() => encodeEvent(event).bytes).startsWith("1a"));
          const written = valid.map((event) => encoder.write(event) ?? encodeEvent(event).bytes);
          expect(written.map((bytes) => [...bytes])).toEqual(valid.map((event) => [...encodeEvent(event).bytes]));
        },
      ),
    );
    const encoder = new EventEncoder();
    const one = encoder.write(newEvent({ id: "1" }));
    const two = encoder.write(newEvent({ id: "2" }));
    expect(two?.buffer).toBe(one?.buffer);
    expect(two?.byteOffset).toBe((one?.byteOffset ?? 0) + (one?.length ?? 0));
  });

  test.each<[string, Partial<NewEvent>]>([
    ["no id", { id: "" }],
    ["a NUL in the id", { id: "\u0001\0" }],
    ["a long id", { id: "x".repeat(256) }],
    ["no source", { source: "" }],
    ["a source that is no text", { source: 7 as unknown as string }],
    ["a type with a space", { type: "no type" }],
    ["half a surrogate pair in the subject", { subject: "\uD800" }],
    ["a long content type", { dataContentType: "x".repeat(256) }],
    ["a NUL in the schema", { dataSchema: "\0" }],
    ["a NUL in the partition key", { partitionKey: "\0" }],
    ["the name of an attribute as an extension", { extensions: { type: "a" } }],
    ["half a surrogate pair in the data", { data: "\uD800" }],
    ["data that cannot be written", { data: 1n }],
    ["a time that is none", { time: new Date(Number.NaN) }],
    ["a year above 9999", { time: new Date(253_402_300_800_000) }],
  ])("W12: refuses %s, whatever was right before", (_name, change) => {
    const invalid = expect.toSatisfy((error) => isWarrenError(error, "EVENT_INVALID"));
    for (const before of [0, 1, 2, 3]) {
      const encoder = new EventEncoder();
      const data = typeof change.data === "string" ? "text" : undefined;
      for (let n = 0; n < before; n += 1) encode(encoder, { ...right, data });
      expect(() => encode(encoder, { ...right, data, ...change })).toThrow(invalid);
      // Nor does one that was wrong make the next one right.
      expect(() => encode(encoder, { ...right, data, ...change })).toThrow(invalid);
      expect(encode(encoder, { ...right, data })).toEqual(library({ ...right, data }));
    }
  });

  test("W12: checks the size of what travels in another form: of its bytes, not of its letters", () => {
    const encoder = new EventEncoder();
    const long = (letter: string, length: number) => newEvent({ body: { case: "text", value: letter.repeat(length) } });
    expect(encoder.check(long("x", 1_000))).toBeGreaterThanOrEqual(encodeEvent(long("x", 1_000)).bytes.length);
    expect(encoder.check(long("x", 1_000_000))).toBe(encodeEvent(long("x", 1_000_000)).bytes.length);
    expect(() => encoder.check(long("漢", 400_000))).toThrow(expect.toSatisfy((error) => isWarrenError(error, "TOO_LARGE")));
  });
});
