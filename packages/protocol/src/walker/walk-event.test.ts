import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventSchema, type Event } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import { anyEvent, newEvent } from "../testing/any-event.ts";
import { walkEvent, type WalkedEvent } from "./walk-event.ts";

const encode = (event: Event): Uint8Array => toBinary(EventSchema, event);
const utf8 = (text: string): number[] => [...new TextEncoder().encode(text)];
const field = (number: number, bytes: readonly number[]): number[] => [number * 8 + 2, bytes.length, ...bytes];
const required = [...field(1, utf8("1")), ...field(2, utf8("/s")), ...field(3, utf8("t"))];
const walk = (...bytes: number[]): WalkedEvent => walkEvent(Uint8Array.from(bytes));

/** What the walk promises: an accepted event decodes to the same identity, and what is encoded again decodes to an equal event. */
function checkAgainstDecoder(bytes: Uint8Array): void {
  const walked = walkEvent(bytes);
  if (walked.kind === "rejected") return;
  const event = fromBinary(EventSchema, bytes);
  expect({ id: event.id, source: event.source, type: event.type }).toEqual({ id: walked.id, source: walked.source, type: walked.type });
  expect(fromBinary(EventSchema, encode(event))).toEqual(event);
}

describe("walkEvent() against the decoder", () => {
  test("W12: takes every valid event, with its id, source and type", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(walkEvent(encode(event))).toEqual({ kind: "event", id: event.id, source: event.source, type: event.type });
      }),
    );
  });

  test("W12: what it takes of damaged events decodes to the same identity", () => {
    const damage = fc.record({ at: fc.nat(), remove: fc.nat({ max: 3 }), insert: fc.uint8Array({ maxLength: 4 }) });
    fc.assert(
      fc.property(anyEvent, fc.array(damage, { minLength: 1, maxLength: 3 }), (event, damages) => {
        let bytes = [...encode(event)];
        for (const { at, remove, insert } of damages) bytes = bytes.toSpliced(at % (bytes.length + 1), remove, ...insert);
        checkAgainstDecoder(Uint8Array.from(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test("W12: what it takes of an event followed by arbitrary fields decodes to the same identity", () => {
    const varint = fc
      .uint8Array({ minLength: 1, maxLength: 10 })
      .map((bytes) => [...bytes].map((byte, i) => (i < bytes.length - 1 ? byte | 0x80 : byte & 0x7f)));
    const piece = fc.oneof(
      fc.tuple(fc.nat({ max: 15 }), fc.nat({ max: 7 }), varint).map(([number, wire, rest]) => [number * 8 + wire, ...rest]),
      fc.tuple(varint, varint).map(([tag, value]) => [...tag, ...value]),
      fc.tuple(fc.nat({ max: 15 }), fc.uint8Array({ maxLength: 12 })).map(([number, bytes]) => field(number, [...bytes])),
      fc.tuple(fc.constantFrom(5, 9), varint, varint).map(([number, tag, value]) => field(number, [...tag, ...value])),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 5 }), (pieces) => checkAgainstDecoder(Uint8Array.from([...required, ...pieces.flat()]))),
      { numRuns: 3000 },
    );
  });

  test("W12: never throws, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => checkAgainstDecoder(bytes)),
      { numRuns: 2000 },
    );
  });
});

describe("walkEvent()", () => {
  const long = (bytes: number): string => "x".repeat(bytes);

  test.each<[string, Partial<Event>, string]>([
    ["an empty id", { id: "" }, "missing_attribute"],
    ["an empty source", { source: "" }, "missing_attribute"],
    ["an empty type", { type: "" }, "missing_attribute"],
    ["NUL in the id", { id: "a\0b" }, "bad_text"],
    ["NUL in an extension", { extensions: { key: "a\0" } }, "bad_text"],
    ["a subject above the limit", { subject: long(Limits.attributeBytes + 1) }, "too_large"],
    ["too many extensions", { extensions: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, ""])) }, "too_large"],
    ["extensions that are too large together", { extensions: { a: long(9000), b: long(9000) } }, "too_large"],
    ["an event above the limit", { body: { case: "data", value: new Uint8Array(Limits.eventBytes) } }, "too_large"],
    ["a year above 9999", { time: timestampFromMs(253_402_300_800_000) }, "malformed"],
  ])("rejects %s", (_name, change, reason) => {
    expect(walkEvent(encode(newEvent(change)))).toMatchObject({ kind: "rejected", reason });
  });

  test.each<[string, number[], string]>([
    ["a string field that is not UTF-8", field(4, [0xff]), "bad_text"],
    ["text that is not UTF-8", field(11, [0xc3, 0x28]), "bad_text"],
    ["an overlong form of a character", field(11, [0xc0, 0x80]), "bad_text"],
    ["a surrogate", field(11, [0xed, 0xa0, 0x80]), "bad_text"],
    ["a length beyond the end", [0x22, 5, 65], "malformed"],
    ["a known field of another wire type", [0x20, 1], "malformed"],
    ["a tag without a field number", [0x02, 0], "malformed"],
    ["a tag that is longer than 32 bits", [0xa2, 0x80, 0x80, 0x80, 0x80, 0x00, 0], "malformed"],
    ["a group", [0x7b, 0x7c], "malformed"],
    ["a varint without an end", [0x78, 0xff, 0xff], "malformed"],
    ["negative nanoseconds", field(5, [0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]), "malformed"],
    ["an extension that is cut off", field(9, [0x0a, 9, 65]), "malformed"],
  ])("rejects %s", (_name, bytes, reason) => {
    expect(walk(...required, ...bytes)).toMatchObject({ kind: "rejected", reason, id: "1", source: "/s", type: "t" });
  });

  test("keeps unknown fields and takes the last of a repeated one", () => {
    expect(walk(...required, 0x78, 0xff, 0x01, ...field(1, utf8("2")))).toEqual({ kind: "event", id: "2", source: "/s", type: "t" });
  });

  test("takes NUL in the body", () => {
    expect(walkEvent(encode(newEvent({ body: { case: "text", value: "a\0b" } }))).kind).toBe("event");
  });

  test("walks an event in the middle of other bytes", () => {
    expect(walkEvent(Uint8Array.from([1, 2, 3, ...required, 9, 9]), 3, 3 + required.length).kind).toBe("event");
    expect(walkEvent(create(EventSchema) && new Uint8Array()).kind).toBe("rejected");
  });
});
