import { expect, test } from "vitest";
import { bindMessage } from "./bind-message.ts";

test("says of each value its format and its length, in one message", () => {
  const message = Buffer.concat(bindMessage("s", ["é", 7, 12n, null, Uint8Array.of(1, 2), ""]));
  const parts: readonly (readonly number[])[] = [
    [0x42, ...int32(message.length - 1), 0, 0x73, 0],
    [6, 0, 0, 0, 1, 1, 0].flatMap(int16),
    int16(6),
    [...int32(2), 0xc3, 0xa9],
    [...int32(1), 0x37],
    [...int32(2), 0x31, 0x32],
    int32(-1),
    [...int32(2), 1, 2],
    int32(0),
    int16(0),
  ];
  const expected = parts.flat();
  expect([...message]).toEqual(expected);
});

test("a large value is a piece of its own, and not copied", () => {
  const [large, text] = [new Uint8Array(5_000).fill(7), "x".repeat(3_000)];
  const pieces = bindMessage("s", [1, large, text, Uint8Array.of(9)]);
  expect(pieces[1]).toBe(large);
  const message = Buffer.concat(pieces);
  expect(message.readInt32BE(1)).toBe(message.length - 1);
  expect(message.subarray(-2 - 5 - 3_000, -2 - 5).toString()).toBe(text);
  expect([...message.subarray(-7)]).toEqual([...int32(1), 9, ...int16(0)]);
});

function int16(value: number): readonly number[] {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return [...buffer];
}

function int32(value: number): readonly number[] {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return [...buffer];
}
