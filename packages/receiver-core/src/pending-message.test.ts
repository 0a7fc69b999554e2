import { encodeEvent, Limits, toEvent, TopicMatcher } from "@warren/protocol";
import { packContentType, packOf, type AmqpMessage } from "@warren/protocol/amqp";
import { describe, expect, test, vi } from "vitest";
import { pendingMessage } from "./pending-message.ts";

const utf8 = new TextEncoder();
const foreign = (more: Partial<AmqpMessage> = {}) => ({
  tag: 7,
  routingKey: "a.b",
  headers: new Map<string, string>(),
  body: utf8.encode("x"),
  ...more,
});

function deps() {
  const matcher = new TopicMatcher(["a.*"]);
  const uuid = vi.fn(() => "01890000-0000-7000-8000-000000000000");
  return { matcher, ids: { uuid }, uuid, matches: vi.spyOn(matcher, "matches") };
}

describe("a delivery that waits for its batch", () => {
  test("a pack stays its bytes until it is asked for, is taken apart once, and holds the events that match", () => {
    const slices = ["a.b", "z.z", "a.c"].map((type, i) =>
      encodeEvent(toEvent({ type, source: "/s", data: i, time: new Date(0) }, { id: `e${i}`, now: new Date(0) })),
    );
    const { body } = packOf(slices);
    const given = deps();
    const message = pendingMessage(foreign({ contentType: packContentType, body }), given);
    expect(message).toMatchObject({ tag: 7, bytes: body.length });
    expect(given.matches).not.toHaveBeenCalled();
    const parts = message.unpack();
    expect(parts).toMatchObject({ events: [{ id: "e0" }, { id: "e2" }], rejected: [] });
    given.matches.mockClear();
    expect(message.unpack()).toBe(parts);
    expect(given.matches).not.toHaveBeenCalled();
    expect(parts.events[0]?.bytes.buffer).toBe(body.buffer);
  });

  test("W3: an id that is made for an event is made once for its delivery", () => {
    const given = deps();
    const message = pendingMessage(foreign(), given);
    expect(message.unpack()).toBe(message.unpack());
    expect(given.uuid).toHaveBeenCalledTimes(1);
    expect(message.unpack()).toMatchObject({ events: [{ id: given.uuid(), deduplicated: false }] });
  });

  test("W8: counts what it holds: headers too, the bytes that are set aside, and nothing of what is too large", () => {
    const headers = new Map([["tenant", "t".repeat(1_000)]]);
    const bytesOf = (more: Partial<AmqpMessage>): number => pendingMessage(foreign(more), deps()).bytes;
    expect(bytesOf({ headers })).toBeGreaterThan(1_000);
    expect(bytesOf({ routingKey: "\uFFFD", body: new Uint8Array(50) })).toBe(50);
    const body = new Uint8Array(Limits.messageBytes + 1);
    for (const contentType of [undefined, packContentType]) {
      const message = pendingMessage(foreign({ contentType, body }), deps());
      expect(message.bytes).toBe(0);
      expect(message.unpack()).toMatchObject({ events: [], rejected: [{ reason: "too_large" }] });
    }
  });
});
