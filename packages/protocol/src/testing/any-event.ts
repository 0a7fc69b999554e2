import { create } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { EventSchema, type Event } from "../gen/warren/v1/event_pb.ts";

/** An event that every log takes, with changes. */
export function newEvent(change: Partial<Event> = {}): Event {
  return Object.assign(create(EventSchema, { id: "1", source: "/shop", type: "order.created" }), change);
}

const text = fc.string({ unit: "grapheme", maxLength: 20 }).map((value) => value.replaceAll("\0", "").toWellFormed());
const given = text.map((value) => value || "x");
const body: fc.Arbitrary<Event["body"]> = fc.oneof(
  fc.constant({ case: undefined }),
  fc.uint8Array({ maxLength: 300 }).map((value) => ({ case: "data" as const, value })),
  fc.string({ unit: "grapheme", maxLength: 300 }).map((value) => ({ case: "text" as const, value: value.toWellFormed() })),
);

/** Any event that every log takes. */
export const anyEvent: fc.Arbitrary<Event> = fc
  .record({
    id: given,
    source: given,
    type: given,
    subject: text,
    dataContentType: text,
    dataSchema: text,
    partitionKey: text,
    extensions: fc.array(fc.tuple(fc.oneof(given, fc.constantFrom("__proto__", "constructor", "toString")), text), { maxLength: 5 }),
    time: fc.option(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), { nil: undefined }),
    body,
  })
  .map(({ time, extensions, ...rest }) =>
    newEvent({ ...rest, extensions: Object.fromEntries(extensions), time: time === undefined ? undefined : timestampFromMs(time) }),
  );
