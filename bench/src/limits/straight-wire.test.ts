import { expect, test } from "vitest";
import { EventChecker, EventWriter, FrameReader, idBytes } from "./straight-wire.ts";

/** Events with these payloads, and where each begins. */
function written(payloads: readonly Buffer[]): { readonly events: Buffer; readonly starts: readonly number[] } {
  const writer = new EventWriter("/s", "a.b");
  const events = Buffer.alloc(payloads.reduce((sum, { length }) => sum + writer.size(length), 0));
  const starts: number[] = [];
  let at = 0;
  for (const payload of payloads) {
    starts.push(at);
    at = writer.write(events, at, payload);
  }
  expect(at).toBe(events.length);
  return { events, starts };
}

function framed(events: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(events.length);
  return Buffer.concat([length, events]);
}

const payloads = ["", "one", "x".repeat(300), "y".repeat(9_000)].map((text) => Buffer.from(text));

test("events are checked one after another, each with an id of its own", () => {
  const { events, starts } = written(payloads);
  const checker = new EventChecker();
  const ids = starts.map((start, index) => {
    const id = Buffer.alloc(idBytes);
    expect(checker.check(events, start, events.length, id, 0)).toBe(starts[index + 1] ?? events.length);
    return id.toString("hex");
  });
  expect(new Set(ids).size).toBe(payloads.length);
  expect(ids.toSorted()).toEqual(ids);
});

test("what another publisher sends is checked by itself", () => {
  const checker = new EventChecker();
  for (const type of ["a", "b", "b.c", "a"]) {
    const writer = new EventWriter("/s", type);
    const event = Buffer.alloc(writer.size(3));
    writer.write(event, 0, Buffer.from("abc"));
    expect(checker.check(event, 0, event.length, Buffer.alloc(idBytes), 0)).toBe(event.length);
  }
});

test("a changed tag or length, an id that is none, and text that is none are no event", () => {
  const { events } = written([Buffer.from("one")]);
  const check = (change: (event: Buffer) => void, checker = new EventChecker()): number => {
    const event = Buffer.from(events);
    change(event);
    return checker.check(event, 0, event.length, Buffer.alloc(idBytes), 0);
  };
  expect(check(() => undefined)).toBe(events.length);
  const source = events.indexOf("/s");
  const places = [0, 1, 3, 4, 5, 13, 40, source - 2, source - 1, source, events.length - 6, events.length - 5];
  const warm = new EventChecker();
  expect(check(() => undefined, warm)).toBe(events.length);
  for (const at of places) {
    for (const checker of [new EventChecker(), warm])
      expect(() => check((event) => (event[at] = 0xff), checker), `byte ${at}`).toThrow(/no event/);
  }
  expect(() => new EventChecker().check(events, 0, events.length - 1, Buffer.alloc(idBytes), 0)).toThrow(/no event/);
});

test("frames are read alike in whatever pieces they come", () => {
  const bytes = Buffer.concat([framed(written(payloads).events), framed(written(payloads.slice(0, 2)).events)]);
  for (const size of [1, 2, 3, 7, 100, 4_000, bytes.length]) {
    const read: string[] = [];
    const reader = new FrameReader((payload) => read.push(Buffer.from(payload).toString()));
    for (let at = 0; at < bytes.length; at += size) reader.read(bytes.subarray(at, at + size));
    expect(read).toEqual([...payloads, ...payloads.slice(0, 2)].map(String));
  }
});

test("an event that is too large for its length is refused", () => {
  expect(() => new EventWriter("/s", "a").write(Buffer.alloc(20_000), 0, Buffer.alloc(17_000))).toThrow(/at most 16383/);
});
