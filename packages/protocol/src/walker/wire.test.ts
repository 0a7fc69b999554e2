import { BinaryWriter } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { expect, test } from "vitest";
import { WireReader } from "./wire.ts";

/** Where one more byte is needed, beside any others. */
const edges = [1, 2, 3, 4, 5, 6, 7].flatMap((size) => [2 ** (7 * size) - 1, 2 ** (7 * size)]).filter((value) => value < 2 ** 49);
const value = fc.oneof(fc.constantFrom(0, 1, ...edges), fc.nat({ max: 2 ** 49 - 1 }));

/** Reads from a place among bytes that would be read on. */
function read(bytes: readonly number[], end = bytes.length): { readonly varint: number; readonly read: number } {
  const before = 3;
  const among = Uint8Array.from([0x81, 0x81, 0x81, ...bytes, 0x01, 0x01]);
  const reader = new WireReader(among, before, before + end);
  return { varint: reader.varint(), read: reader.position - before };
}

test("reads a varint as the protobuf library writes it, and none that is cut off", () => {
  fc.assert(
    fc.property(value, (each) => {
      const bytes = [...new BinaryWriter().uint64(each).finish()];
      expect(read(bytes)).toEqual({ varint: each, read: bytes.length });
      for (let end = 0; end < bytes.length; end += 1) expect([end, read(bytes, end).varint]).toEqual([end, -1]);
    }),
  );
});

test("reads a varint that is longer than it needs to be, of ten bytes at most", () => {
  for (let more = 1; more < 10; more += 1) {
    const bytes = [0x85, ...Array.from({ length: more - 1 }, () => 0x80), 0x00];
    expect(read(bytes)).toEqual({ varint: 5, read: more + 1 });
  }
  expect(read([0x85, ...Array.from({ length: 9 }, () => 0x80), 0x00]).varint).toBe(-1);
});
