import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EnvelopeReader, toEnvelope } from "./envelope.ts";

/** Where to cut: nothing, a byte, many bytes. */
const sizes = fc.array(fc.nat(700), { minLength: 1, maxLength: 50 });
const message = fc.record({ flags: fc.nat(255), message: fc.uint8Array({ maxLength: 600 }) });

test("an envelope is flags, the length in four bytes, and the message", () => {
  expect([...toEnvelope(Buffer.alloc(258, 7), 2).subarray(0, 6)]).toEqual([2, 0, 0, 1, 2, 7]);
});

describe("EnvelopeReader", () => {
  test("reads messages in whatever pieces they come", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), sizes, (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((each) => toEnvelope(each.message, each.flags)));
        const read: { flags: number; message: Uint8Array }[] = [];
        const reader = new EnvelopeReader((flags, each) => read.push({ flags, message: new Uint8Array(each) }));
        let at = 0;
        for (const size of cuts) {
          reader.read(bytes.subarray(at, at + size));
          at += size;
        }
        reader.read(bytes.subarray(at));
        expect(read).toEqual(messages);
      }),
    );
  });

  test("gives a message memory of its own", () => {
    const piece = toEnvelope(Buffer.from("one"));
    const read: Uint8Array[] = [];
    new EnvelopeReader((_, each) => read.push(each)).read(piece);
    piece.fill(0);
    expect(read.map((each) => Buffer.from(each).toString())).toEqual(["one"]);
    expect(read[0]?.buffer.byteLength).toBe(3);
  });

  test("refuses what is too large to be a frame, before there is memory for it", () => {
    const reader = new EnvelopeReader(() => undefined);
    expect(() => reader.read(Buffer.from([0, 0xff, 0xff, 0xff, 0xff]))).toThrow(expect.objectContaining({ code: "TRANSPORT_UNAVAILABLE" }));
  });
});
