import { create, toBinary } from "@bufbuild/protobuf";
import { decodeEvent } from "@warren/protocol";
import { EventSchema, PackSchema, type Event } from "@warren/protocol/v1";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bodyKinds, columnsOf } from "./event-columns.ts";

const element = (event: Event): Uint8Array => toBinary(PackSchema, create(PackSchema, { events: [event] }));
const utf8 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("utf8");
/** Microseconds from 1970 to 2000. */
const micros2000 = 946_684_800_000_000n;

/** What a decoder makes of an element, as columns. */
function decoded(bytes: Uint8Array) {
  const event = decodeEvent(bytes);
  const { case: kind, value } = event.body;
  const { id, source, type, subject, partitionKey, dataContentType, dataSchema, extensions, time } = event;
  return {
    texts: [id, source, type, subject, partitionKey, dataContentType, dataSchema],
    extensions: { ...extensions },
    time: time === undefined ? undefined : time.seconds * 1_000_000n + BigInt(Math.floor(time.nanos / 1_000)) - micros2000,
    bodyKind: bodyKinds[kind ?? "none"],
    body: Buffer.from(value ?? "").toString("hex"),
  };
}

function read(bytes: Uint8Array) {
  const { id, source, type, subject, partitionKey, contentType, dataSchema, extensions, time, bodyKind, body } = columnsOf(bytes);
  return {
    texts: [id, source, type, subject, partitionKey, contentType, dataSchema].map(utf8),
    extensions: JSON.parse(utf8(extensions)) as unknown,
    time,
    bodyKind,
    body: Buffer.from(body).toString("hex"),
  };
}

const text = fc.string({ unit: "grapheme" }).filter((value) => value.isWellFormed());
const events = fc
  .record({
    id: text,
    source: text,
    type: text,
    subject: text,
    partitionKey: text,
    dataContentType: text,
    dataSchema: text,
    extensions: fc.dictionary(
      text.filter((key) => key !== "__proto__"),
      text,
      { noNullPrototype: true },
    ),
    body: fc.oneof(
      fc.constant({ case: undefined }),
      fc.record({ case: fc.constant("text" as const), value: text }),
      fc.record({ case: fc.constant("data" as const), value: fc.uint8Array() }),
    ),
    time: fc.option(
      fc.record({ seconds: fc.bigInt({ min: -62_135_596_800n, max: 253_402_300_799n }), nanos: fc.nat({ max: 999_999_999 }) }),
      { nil: undefined },
    ),
  })
  .map(({ time, ...fields }) => {
    const event = create(EventSchema, fields);
    if (time !== undefined) event.time = { $typeName: "google.protobuf.Timestamp", ...time };
    return event;
  });

describe("columnsOf()", () => {
  test("says of every event what a decoder says", () => {
    fc.assert(
      fc.property(events, (event) => {
        expect(read(element(event))).toEqual(decoded(element(event)));
      }),
    );
  });

  test("takes the last of fields that come twice, merges times, and passes over fields that it does not know, as a decoder does", () => {
    fc.assert(
      fc.property(events, events, (one, two) => {
        const content = Buffer.concat([
          toBinary(EventSchema, one),
          // Field 100, a varint; field 101, four bytes.
          Buffer.from("a00605ad0601020304", "hex"),
          toBinary(EventSchema, two),
        ]);
        // An element with both, one after the other.
        const size = content.length;
        const length =
          size < 0x80 ? [size] : [(size & 0x7f) | 0x80, ...(size < 0x4000 ? [size >> 7] : [((size >> 7) & 0x7f) | 0x80, size >> 14])];
        const bytes = Buffer.concat([Buffer.of(0x1a, ...length), content]);
        expect(read(bytes)).toEqual(decoded(bytes));
      }),
    );
  });

  test.each([2n ** 63n - 1n, -(2n ** 63n), 253_402_300_800n * 1_000n])(
    "makes of a time far away (%s s) one that PostgreSQL can be asked to store",
    (seconds) => {
      const event = create(EventSchema, { id: "1" });
      event.time = { $typeName: "google.protobuf.Timestamp", seconds, nanos: 0 };
      const time = columnsOf(element(event)).time ?? 0n;
      expect(BigInt.asIntN(64, time)).toBe(time);
    },
  );
});
