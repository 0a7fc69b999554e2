import { describe, expect, test } from "vitest";
import type { Event } from "../gen/warren/v1/event_pb.ts";
import { encodeEvent } from "../event.ts";
import { newEvent } from "../testing/any-event.ts";
import { sameContent } from "./same-content.ts";

const bytes = (change: Partial<Event>): Uint8Array => encodeEvent(newEvent(change)).bytes;
const text = (value: string): Partial<Event> => ({ body: { case: "text", value } });

describe("sameContent()", () => {
  test.each<[string, Partial<Event>, Partial<Event>, boolean]>([
    ["equal events", text("a"), text("a"), true],
    ["another subject, time or extension", text("a"), { ...text("a"), subject: "x", extensions: { k: "v" } }, true],
    ["other data of the same length", text("a"), text("b"), false],
    ["longer data", text("a"), text("aa"), false],
    ["another type", text("a"), { ...text("a"), type: "order.deleted" }, false],
    ["data as bytes and as text", text("a"), { body: { case: "data", value: Uint8Array.of(97) } }, false],
    ["no data on both sides", {}, {}, true],
    ["no data and some", {}, text("a"), false],
  ])("W3: %s: %#", (_name, a, b, expected) => {
    expect(sameContent(bytes(a), bytes(b))).toBe(expected);
    expect(sameContent(bytes(b), bytes(a))).toBe(expected);
  });
});
