import { expect, test } from "vitest";
import { copyId, endOfEvent, EventWriter, FrameReader, idBytes } from "./straight-wire.ts";

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

test("events are found one after another, each with an id of its own", () => {
  const { events, starts } = written(payloads);
  const ids = starts.map((start, index) => {
    expect(endOfEvent(events, start)).toBe(starts[index + 1] ?? events.length);
    const id = Buffer.alloc(idBytes);
    copyId(events, start, id, 0);
    return id.toString("hex");
  });
  expect(new Set(ids).size).toBe(payloads.length);
  expect(ids.toSorted()).toEqual(ids);
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
