import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EnvelopeReader } from "./envelope-reader.ts";

function enveloped(messages: readonly { readonly flags: number; readonly message: Uint8Array }[]): Buffer {
  return Buffer.concat(
    messages.flatMap(({ flags, message }) => {
      const prefix = Buffer.from([flags, 0, 0, 0, 0]);
      prefix.writeUInt32BE(message.length, 1);
      return [prefix, message];
    }),
  );
}

/** Where to cut: nothing, a byte, many bytes. */
const sizes = fc.array(fc.nat(700), { minLength: 1, maxLength: 50 });
const message = fc.record({ flags: fc.nat(255), message: fc.uint8Array({ maxLength: 600 }) });

describe("EnvelopeReader", () => {
  test("reads messages in whatever pieces they come", () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), sizes, (messages, cuts) => {
        const bytes = enveloped(messages);
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
    const piece = enveloped([{ flags: 0, message: Buffer.from("one") }]);
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
