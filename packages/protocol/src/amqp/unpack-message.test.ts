import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeEvent, encodeEvent, toEvent } from "../event.ts";
import { PackSchema } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import { sizeOf } from "../pack-slice.ts";
import { anyEvent } from "../testing/any-event.ts";
import { TopicMatcher } from "../topic.ts";
import { toCloudEventMessage } from "./cloud-event-message.ts";
import type { AmqpMessage, HeaderValue } from "./message.ts";
import { packContentType, packOf, unpack } from "./pack.ts";
import { unpackMessage } from "./unpack-message.ts";

const ids = { uuid: () => "01890000-0000-7000-8000-000000000000" };
const uuid = "8b0e6a51-1111-4222-8333-444455556666";
const utf8 = new TextEncoder();

function message(more: Partial<AmqpMessage> & { readonly header?: readonly (readonly [string, HeaderValue])[] } = {}): AmqpMessage {
  const { header = [], ...rest } = more;
  return { routingKey: "order.created", headers: new Map(header), body: utf8.encode('{"a":1}'), contentType: "application/json", ...rest };
}

/** The single event of a message, decoded. */
function single(given: AmqpMessage) {
  const { events, rejected } = unpackMessage(given, { ids });
  expect(rejected).toEqual([]);
  expect(events).toHaveLength(1);
  const [slice] = events;
  if (slice === undefined) throw new Error("no event");
  return { ...decodeEvent(slice.bytes), deduplicated: slice.deduplicated };
}

const newEvent = (n: number, type = "a.b") =>
  toEvent(
    { type, source: "/s", data: { n }, extensions: { traceparent: "00-1" }, subject: "x", partitionKey: "k" },
    { id: `e${n}`, now: new Date(5_000) },
  );

describe("unpackMessage()", () => {
  test.each(["cloudEvents:", "cloudEvents_", "ce-"])("reads what a CloudEvents sender wrote with headers %s", (prefix) => {
    const written = toCloudEventMessage(newEvent(1));
    const headers = new Map([...written.headers].map(([name, value]) => [name.replace("cloudEvents:", prefix), value]));
    const { deduplicated, ...event } = single({ ...written, headers });
    expect(deduplicated).toBe(true);
    expect(event).toEqual(newEvent(1));
  });

  test("W3: takes a foreign message_id as id only with an app_id, or when it is a UUID", () => {
    expect(single(message({ messageId: "42", appId: "shop" }))).toMatchObject({ id: "42", source: "/amqp/shop", deduplicated: true });
    expect(single(message({ messageId: uuid }))).toMatchObject({ id: uuid, source: "/amqp/unknown", deduplicated: true });
    for (const untrusted of [message({ messageId: "42" }), message()]) {
      const event = single(untrusted);
      expect(event).toMatchObject({ id: ids.uuid(), deduplicated: false });
      expect(event.extensions["dedup"]).toBe("none");
    }
  });

  test("maps a foreign message: type is the routing key, headers are extensions, JSON is text", () => {
    const event = single(
      message({
        timestamp: 1_700_000_000,
        header: [
          ["tenant", "a"],
          ["n", 7],
          ["table", new Map([["k", [1, "x"]]])],
          ["CC", ["y"]],
        ],
      }),
    );
    expect(event).toMatchObject({ type: "order.created", dataContentType: "application/json", body: { case: "text", value: '{"a":1}' } });
    expect(event.extensions).toEqual({ tenant: "a", n: "7", table: '{"k":[1,"x"]}', dedup: "none" });
    expect(event.time?.seconds).toBe(1_700_000_000n);
  });

  test("keeps the properties that have no place in an event as extensions; a header of that name wins", () => {
    const properties = { contentEncoding: "gzip", correlationId: "7", replyTo: "answers", messageType: "Created" };
    expect(single(message({ ...properties, header: [["replyto", "elsewhere"]] })).extensions).toEqual({
      contentencoding: "gzip",
      correlationid: "7",
      replyto: "elsewhere",
      messagetype: "Created",
      dedup: "none",
    });
    const written = toCloudEventMessage({ ...newEvent(1), extensions: {} });
    expect(single({ ...written, ...properties }).extensions).toEqual({ contentencoding: "gzip" });
  });

  test("any event goes through CloudEvents binary mode unchanged", () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        // An empty body and no body are one thing in AMQP; text is told from bytes by its content type.
        const sent = { ...event, dataContentType: "text/plain", body: { case: "text", value: "x" } as const };
        if (sent.id.includes("\uFFFD") || sent.type.includes("\uFFFD")) return;
        const { deduplicated, ...back } = single(toCloudEventMessage(sent));
        expect(deduplicated).toBe(true);
        expect(back).toEqual(sent);
      }),
    );
  });

  test("keeps an extension that is called like an attribute", () => {
    const sent = { ...newEvent(1), extensions: { id: "theirs", Time: "noon" } };
    const written = toCloudEventMessage({ ...sent, extensions: { id: "theirs", Time: "noon" } });
    expect(single(written)).toMatchObject({ id: "e1", time: sent.time, extensions: { id: "theirs", Time: "noon" } });
  });

  test("W3: takes a CloudEvent's id only with its source, an app_id, or when it is a UUID", () => {
    const header = [
      ["cloudEvents:specversion", "1.0"],
      ["cloudEvents:id", "42"],
    ] as const;
    expect(single(message({ header }))).toMatchObject({
      id: ids.uuid(),
      deduplicated: false,
      extensions: { dedup: "none", messageid: "42" },
    });
    expect(single(message({ header, appId: "shop" }))).toMatchObject({ id: "42", source: "/amqp/shop", deduplicated: true });
    expect(single(message({ header: [...header, ["cloudEvents:source", "/s"]] }))).toMatchObject({
      id: "42",
      source: "/s",
      deduplicated: true,
    });
    const noId = [header[0], ["cloudEvents:source", "/s"]] as const;
    expect(single(message({ header: noId, messageId: "42" }))).toMatchObject({ id: ids.uuid(), source: "/s", deduplicated: false });
  });

  test("keeps the other headers of a CloudEvent, and those that only look like one", () => {
    const header = [
      ["CE-Id", "1"],
      ["CE-Source", "/s"],
      ["ce-datacontenttype", "text/plain"],
      ["ce-tenantId", "a"],
      ["traceparent", "00"],
      ["x-death", []],
    ] as const;
    const event = single(message({ header, contentType: undefined }));
    expect(event).toMatchObject({ id: "1", source: "/s", dataContentType: "text/plain", body: { case: "text", value: '{"a":1}' } });
    expect(event.extensions).toEqual({ tenantId: "a", traceparent: "00" });
    expect(single(message({ header: [["ce-id", "1"]] })).extensions).toEqual({ "ce-id": "1", dedup: "none" });
  });

  test.each([
    ["2026-11-24T10:00:00.5+02:00", 1_795_507_200n],
    ["2026-11-24T08:00:00Z", 1_795_507_200n],
    ["1", undefined],
    ["2026-13-45T99:00:00Z", undefined],
    ["tomorrow", undefined],
  ])("reads the time %s of a CloudEvent as %s", (time, seconds) => {
    const header = [
      ["ce-id", "1"],
      ["ce-source", "/s"],
      ["ce-time", time],
    ] as const;
    expect(single(message({ header })).time?.seconds).toBe(seconds);
  });

  test.each<[string, Partial<AmqpMessage>]>([
    ["a routing key that was not UTF-8", { routingKey: "a.\uFFFD" }],
    ["a message id that was not UTF-8", { messageId: "\uFFFD", appId: "shop" }],
    ["NUL in the message id", { messageId: "a\0", appId: "shop" }],
    ["NUL in the routing key", { routingKey: "a\0" }],
    ["NUL in a header", { headers: new Map([["k", "a\0"]]) }],
    ["NUL in the name of a header", { headers: new Map([["k\0", "a"]]) }],
  ])("W12: sets aside %s as bad_text, with its bytes", (_name, more) => {
    const given = message(more);
    expect(unpackMessage(given, { ids })).toMatchObject({ events: [], rejected: [{ reason: "bad_text", bytes: given.body }] });
  });

  test("keeps a header named __proto__ as what it is", () => {
    const event = single(message({ header: [["__proto__", new Map([["isAdmin", true]])]] }));
    expect(Object.entries(event.extensions)).toContainEqual(["__proto__", '{"isAdmin":true}']);
    expect(({} as Record<string, unknown>)["isAdmin"]).toBeUndefined();
  });

  test("takes any body: bytes, none, JSON that is none, text that is not UTF-8", () => {
    expect(single(message({ contentType: undefined })).body.case).toBe("data");
    expect(single(message({ body: new Uint8Array() })).body.case).toBeUndefined();
    expect(single(message({ body: utf8.encode("{") })).body).toEqual({ case: "text", value: "{" });
    expect(single(message({ body: Uint8Array.of(0xff, 0xfe) })).body.case).toBe("data");
  });

  test("leaves out a time that makes no sense, and takes any routing key as type", () => {
    expect(single(message({ timestamp: 292e6 * 31_557_600 })).time).toBeUndefined();
    expect(single(message({ timestamp: -1 })).time).toBeUndefined();
    expect(single(message({ routingKey: "weird key..with é" })).type).toBe("weird key..with é");
    expect(single(message({ routingKey: "" })).type).toBe("unnamed");
  });

  test("W12: sets aside what no log can take, with its bytes", () => {
    const large = unpackMessage(message({ body: new Uint8Array(Limits.messageBytes + 1) }), { ids });
    expect(large).toMatchObject({ events: [], rejected: [{ reason: "too_large", type: "order.created" }] });
    expect(large.rejected[0]?.bytes).toHaveLength(0);
    const many = message({ header: Array.from({ length: 70 }, (_, i) => [`h${i}`, "v"] as const) });
    expect(unpackMessage(many, { ids })).toMatchObject({ events: [], rejected: [{ reason: "too_large", bytes: many.body }] });
  });
});

describe("packs", () => {
  const slices = Array.from({ length: 450 }, (_, n) => encodeEvent(newEvent(n, `type.${n % 3}`)));

  test("carry events in order, with the types of all of them", () => {
    const pack = packOf(slices);
    expect([pack.routingKey, ...pack.cc]).toEqual(["type.0", "type.1", "type.2"]);
    const back = unpackMessage(message({ contentType: packContentType, body: pack.body }), { ids }).events;
    expect(back.map(({ id }) => id)).toEqual(slices.map(({ id }) => id));
    expect(back.map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(
      slices.map(({ bytes }) => Buffer.from(bytes).toString("hex")),
    );
  });

  test("W12: give any event as it was encoded", () => {
    fc.assert(
      fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 5 }), (events) => {
        const elements = events.map((event) => toBinary(PackSchema, create(PackSchema, { events: [event] })));
        const { events: back, rejected } = unpack(Buffer.concat(elements));
        expect(rejected).toEqual([]);
        expect(back.map(({ bytes, id, source, type, deduplicated }) => ({ bytes: [...bytes], id, source, type, deduplicated }))).toEqual(
          events.map(({ id, source, type }, i) => ({ bytes: [...(elements[i] ?? [])], id, source, type, deduplicated: true })),
        );
        expect(back.map(sizeOf)).toEqual(elements.map(({ length }) => length));
      }),
    );
  });

  test("W12: a bad event in a pack is rejected alone, a broken frame from there on", () => {
    const bad = encodeEvent(newEvent(1)).bytes.slice();
    bad[4] = 0xff;
    const [a, b] = [encodeEvent(newEvent(2)).bytes, encodeEvent(newEvent(3)).bytes];
    const alone = unpackMessage(message({ contentType: packContentType, body: Buffer.concat([a, bad, b]) }), { ids });
    expect(alone.events.map(({ id }) => id)).toEqual(["e2", "e3"]);
    expect(alone.rejected).toMatchObject([{ reason: "bad_text", bytes: Buffer.from(bad) }]);
    const cut = unpackMessage(message({ contentType: packContentType, body: Buffer.concat([a, b.subarray(0, 5)]) }), { ids });
    expect(cut.events.map(({ id }) => id)).toEqual(["e2"]);
    expect(cut.rejected).toMatchObject([{ reason: "malformed" }]);
    expect(unpackMessage(message({ contentType: packContentType, body: new Uint8Array() }), { ids }).rejected).toMatchObject([
      { reason: "malformed" },
    ]);
  });

  test("a receiver keeps of a pack what its own patterns match", () => {
    const kept = (matcher: TopicMatcher | undefined, ...extra: readonly Uint8Array[]) => {
      const body = Buffer.concat([...slices.slice(0, 6).map(({ bytes }) => bytes), ...extra]);
      const { events, rejected } = unpackMessage(message({ contentType: packContentType, body }), { ids, matcher });
      return [...events.map(({ id }) => id), ...rejected.map(({ reason }) => reason)];
    };
    expect(kept(new TopicMatcher(["type.1"]))).toEqual(["e1", "e4"]);
    expect(kept(new TopicMatcher(["type.*"]))).toEqual(kept(undefined));
    // What does not say its type may be anyone's: it is set aside. What says another one is not ours, sound or not. The last type counts.
    const event = (...fields: readonly number[]) => Uint8Array.of(0x1a, fields.length, ...fields);
    const type = (text: string) => [0x1a, text.length, ...utf8.encode(text)];
    expect(kept(new TopicMatcher(["type.1"]), event(...type("")), event(0x0a, 9), event(...type("x")))).toEqual([
      "e1",
      "e4",
      "missing_attribute",
      "malformed",
    ]);
    const twice = event(...type("type.1"), 0x0a, 1, 0x61, 0x12, 1, 0x62, ...type("x"));
    expect([kept(new TopicMatcher(["type.1"]), twice), kept(new TopicMatcher(["x"]), twice)]).toEqual([["e1", "e4"], ["a"]]);
  });
});
