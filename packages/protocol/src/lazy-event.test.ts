import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { must } from "./assert.ts";
import { EventBatchSchema, type Event } from "./gen/warren/v1/event_pb.ts";
import { LazyEvent } from "./lazy-event.ts";
import { StoredEvent } from "./recorded-event.ts";
import { anyEvent, newEvent } from "./testing/any-event.ts";
import { readBatch } from "./walker/read-batch.ts";

const batchOf = (events: readonly Event[], firstOffset = 7n): Uint8Array =>
  toBinary(EventBatchSchema, create(EventBatchSchema, { firstOffset, recordedAt: timestampFromMs(99), events: [...events] }));
const lazy = (bytes: Uint8Array, index = 0): LazyEvent => new LazyEvent(must(readBatch(bytes), "a batch"), index);
const json = (value: string): Event => newEvent({ dataContentType: "application/json", body: { case: "text", value } });

/** The same bytes among others, as a frame lies in what was read from a stream. */
function among(bytes: Uint8Array): Uint8Array {
  const memory = new Uint8Array(bytes.length + 20).fill(0x52);
  memory.set(bytes, 10);
  return memory.subarray(10, 10 + bytes.length);
}

/** All that can be asked of an event. */
function all(event: LazyEvent | StoredEvent): Record<string, unknown> {
  const { offset, recordedAt, id, source, type, subject, time, dataContentType, dataSchema, partitionKey, extensions, bytes, data } = event;
  const attributes = { id, source, type, subject, time, dataContentType, dataSchema, partitionKey };
  return { offset, recordedAt, ...attributes, extensions, bytes: [...bytes], data };
}

describe("an event on the bytes of its batch", () => {
  test("says what the decoded one says, whatever the event", () => {
    const decodable = anyEvent.map((event) => Object.assign(event, { dataContentType: event.dataContentType.replace(/json/i, "") }));
    fc.assert(
      fc.property(fc.array(decodable, { minLength: 1, maxLength: 5 }), fc.bigInt({ min: 1n, max: 2n ** 62n }), (events, firstOffset) => {
        const batch = must(readBatch(among(batchOf(events, firstOffset))), "a batch");
        expect(batch).toMatchObject({ firstOffset, count: events.length, recordedAt: new Date(99) });
        const expected = events.map((event, i) => all(new StoredEvent(event, firstOffset + BigInt(i), new Date(99))));
        expect(events.map((_, i) => all(new LazyEvent(batch, i)))).toEqual(expected);
      }),
    );
  });

  test("parses its data when it is asked for, once", () => {
    expect(lazy(batchOf([json('{"a":1}')])).data).toEqual({ a: 1 });
    const event = lazy(batchOf([json('{"a":1}')]));
    expect(event.data).toBe(event.data);
    const broken = lazy(batchOf([json("{")]));
    expect(broken.type).toBe("order.created");
    expect(() => broken.data).toThrow(SyntaxError);
  });

  test("takes the last of a field, as a decoder does", () => {
    const [one, two] = [batchOf([newEvent({ id: "1", subject: "x" })], 0n), batchOf([newEvent({ id: "2" })], 0n)].map((bytes) =>
      must(readBatch(bytes), "a batch"),
    );
    const fields = [one, two].map((batch) => must(batch, "two").bytes.subarray(batch?.bounds[0], batch?.bounds[1]));
    const joined = Uint8Array.from(fields.flatMap((bytes) => [...bytes]));
    expect(lazy(Uint8Array.of(0x1a, joined.length, ...joined))).toMatchObject({ id: "2", subject: "x" });
  });

  test("passes over fields that it does not know, of any wire type and any number", () => {
    const batch = must(readBatch(batchOf([newEvent({ id: "1", subject: "x".repeat(300) })], 0n)), "a batch");
    const known = batch.bytes.subarray(batch.bounds[0], batch.bounds[1]);
    for (const unknown of [
      [0x60, 0x80, 0x01],
      [0x65, 1, 2, 3, 4],
      [0x62, 0x81, 0x00, 7],
      [0xa2, 0x06, 0x01, 7],
    ]) {
      for (const bytes of [Uint8Array.of(...unknown, ...known), Uint8Array.of(...known, ...unknown)]) {
        const length = [(bytes.length & 0x7f) | 0x80, bytes.length >> 7];
        expect(lazy(Uint8Array.of(0x1a, ...length, ...bytes))).toMatchObject({ id: "1", source: "/shop", subject: "x".repeat(300) });
      }
    }
  });

  test("can be printed and written as JSON", () => {
    const event = lazy(batchOf([json('{"a":1}')]));
    expect(JSON.parse(JSON.stringify(event))).toMatchObject({ offset: "7", type: "order.created", data: { a: 1 } });
    expect(inspect(event)).toContain("order.created");
  });
});

describe("readBatch()", () => {
  test("passes over fields it does not know, in whatever order they come", () => {
    const bytes = batchOf([newEvent()]);
    const batch = readBatch(Uint8Array.of(0x1a, 0, ...bytes, 0x22, 1, 9, 0x28, 5));
    expect(batch).toMatchObject({ count: 2, firstOffset: 7n });
  });

  test("finds all events, whatever their sizes", () => {
    const large = Array.from({ length: 20 }, (_, i) => newEvent({ id: `large-${i}`, subject: "x".repeat(10_000) }));
    const small = Array.from({ length: 3_000 }, (_, i) => newEvent({ id: `small-${i}` }));
    for (const events of [large, small, [...large, ...small], [...small, ...large]]) {
      const batch = must(readBatch(batchOf(events)), "a batch");
      expect(Array.from({ length: batch.count }, (_, i) => new LazyEvent(batch, i).id)).toEqual(events.map(({ id }) => id));
    }
  });

  test("takes no bytes that are cut off", () => {
    const bytes = batchOf([newEvent()]);
    for (const end of [1, 3, bytes.length - 1]) expect(readBatch(bytes.subarray(0, end)), `${end} bytes`).toBeUndefined();
    expect(readBatch(new Uint8Array())).toMatchObject({ count: 0 });
  });
});
