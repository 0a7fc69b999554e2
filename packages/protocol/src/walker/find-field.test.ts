import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findField } from "./find-field.ts";

interface Field {
  readonly number: number;
  /** Of a length-delimited field; a number is a varint. */
  readonly value: Uint8Array | number;
}

/** Encodes fields, and says where the content of the last one of these numbers lies. */
function encode(fields: readonly Field[], wanted: readonly number[]) {
  const parts = fields.map(({ number, value }) => {
    const writer = new BinaryWriter();
    if (typeof value === "number") return writer.tag(number, WireType.Varint).uint32(value).finish();
    return writer.tag(number, WireType.LengthDelimited).bytes(value).finish();
  });
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, part) => sum + part.length, 0));
  const last = fields.findLastIndex(({ number, value }) => typeof value === "object" && wanted.includes(number));
  const [field, to] = [fields[last], ends[last]];
  const found =
    field !== undefined && to !== undefined && typeof field.value === "object"
      ? { field: field.number, from: to - field.value.length, to }
      : undefined;
  return { bytes: Uint8Array.from(parts.flatMap((part) => [...part])), found };
}

const moved = (found: { field: number; from: number; to: number } | undefined, by: number) =>
  found && { field: found.field, from: found.from + by, to: found.to + by };

describe("finding a field", () => {
  test("finds the last of two fields among any others, wherever the message lies", () => {
    const sizes = fc.constantFrom(0, 1, 126, 127, 128, 129, 16_383, 16_384, 20_000);
    const content = sizes.map((size) => new Uint8Array(size).fill(0x52));
    const field = fc.record({ number: fc.constantFrom(1, 10, 11, 15, 16, 2_047, 2 ** 29 - 1), value: fc.oneof(content, fc.nat()) });
    fc.assert(
      fc.property(fc.array(field, { maxLength: 8 }), fc.nat({ max: 20 }), (fields, before) => {
        const { bytes, found } = encode(fields, [10, 11]);
        const among = new Uint8Array(before + bytes.length + 20).fill(0x52);
        among.set(bytes, before);
        expect(findField(among, before, before + bytes.length, 10, 11)).toEqual(moved(found, before));
      }),
    );
  });

  test("what is malformed ends the search: what came before it counts", () => {
    const { bytes, found } = encode([{ number: 10, value: Uint8Array.of(1, 2) }], [10]);
    const malformed = {
      "a length without its end": [0x52, 0x80],
      "a length beyond the end": [0x52, 0x05, 0x01],
      "a long length beyond the end": [0x52, 0x80, 0x01, 0x01],
      "the number 0": [0x02, 0x00, 0x52, 0x00],
      "a group": [0x0b, 0x52, 0x00],
      "a tag alone": [0x52],
    };
    for (const [what, broken] of Object.entries(malformed)) {
      // What follows belongs to another message.
      const among = Uint8Array.from([...bytes, ...broken, ...new Uint8Array(300).fill(0x52)]);
      expect([what, findField(among, 0, bytes.length + broken.length, 10)]).toEqual([what, found]);
      expect([what, findField(among, bytes.length, bytes.length + broken.length, 10)]).toEqual([what, undefined]);
    }
  });
});
