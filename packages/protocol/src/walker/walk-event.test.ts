import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EventSchema, type Event } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import { walkEvent } from "./walk-event.ts";

const text = fc.string({ maxLength: 20, unit: "binary" });
const event = fc
  .record({
    id: text,
    source: text,
    type: text,
    subject: text,
    dataSchema: text,
    partitionKey: text,
    extensions: fc.dictionary(text, text, { maxKeys: 4, noNullPrototype: true }),
    seconds: fc.option(fc.bigInt({ min: -70_000_000_000n, max: 260_000_000_000n })),
    body: fc.oneof(
      text.map((value) => ({ case: "text" as const, value })),
      fc.uint8Array({ maxLength: 30 }).map((value) => ({ case: "data" as const, value })),
    ),
  })
  .map(({ seconds, ...rest }): Event => create(EventSchema, { ...rest, ...(seconds === null ? {} : { time: { seconds, nanos: 5 } }) }));

function decodes(bytes: Uint8Array): Event | undefined {
  try {
    return fromBinary(EventSchema, bytes);
  } catch {
    return undefined;
  }
}

/** What passes the walk decodes, to the same identity. */
function agrees(bytes: Uint8Array): boolean {
  const walked = walkEvent(bytes);
  if (walked.kind === "rejected") return false;
  const decoded = decodes(bytes);
  expect(decoded).toBeDefined();
  expect({ id: decoded?.id, source: decoded?.source, type: decoded?.type }).toEqual({
    id: walked.id,
    source: walked.source,
    type: walked.type,
  });
  return true;
}

describe("walkEvent()", () => {
  test("W12: takes every event that has its attributes and a time that exists", () => {
    fc.assert(
      fc.property(event, (given) => {
        const seconds = given.time?.seconds ?? 0n;
        const complete =
          given.id !== "" && given.source !== "" && given.type !== "" && seconds >= -62_135_596_800n && seconds <= 253_402_300_799n;
        expect(agrees(toBinary(EventSchema, given))).toBe(complete);
      }),
    );
  });

  test("W12: what passes decodes: bytes changed, cut and put together at random", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.option(fc.nat()) });
    fc.assert(
      fc.property(event, fc.array(change, { minLength: 1, maxLength: 4 }), (given, changes) => {
        let bytes = toBinary(EventSchema, given);
        for (const { at, to, cut } of changes) {
          if (bytes.length === 0) break;
          bytes[at % bytes.length] = to;
          if (cut !== null) bytes = bytes.slice(0, cut % (bytes.length + 1));
        }
        agrees(bytes);
      }),
      { numRuns: 5_000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => void agrees(bytes)),
      { numRuns: 5_000 },
    );
  });

  const good = { id: "1", source: "s", type: "t" };
  const bytesOf = (more: object): Uint8Array => toBinary(EventSchema, create(EventSchema, { ...good, ...more }));

  test.each([
    ["missing_attribute", bytesOf({ id: "" })],
    ["missing_attribute", bytesOf({ source: "" })],
    ["missing_attribute", bytesOf({ type: "" })],
    ["missing_attribute", new Uint8Array()],
    ["bad_text", Uint8Array.of(0x0a, 2, 0xff, 0xfe)],
    ["malformed", Uint8Array.of(0x0a, 200)],
    ["malformed", Uint8Array.of(0x0b)],
    ["malformed", Uint8Array.of(0x08, 1)],
    ["malformed", bytesOf({ time: { seconds: 1n << 40n, nanos: 0 } })],
    ["too_large", bytesOf({ body: { case: "data", value: new Uint8Array(Limits.eventBytes + 1) } })],
    ["too_large", bytesOf({ extensions: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`k${i}`, "v"])) })],
    ["too_large", bytesOf({ subject: "x".repeat(Limits.attributeBytes + 1) })],
  ])("W12: rejects as %s", (reason, bytes) => {
    expect(walkEvent(bytes)).toMatchObject({ kind: "rejected", reason });
  });

  test("keeps fields it does not know", () => {
    const bytes = Uint8Array.of(...bytesOf({}), 0xf8, 0x06, 0x2a);
    expect(walkEvent(bytes)).toEqual({ kind: "event", ...good });
  });
});
