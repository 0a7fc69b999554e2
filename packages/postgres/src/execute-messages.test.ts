import { expect, test } from "vitest";
import { executeMessages } from "./execute-messages.ts";

const executeAndSync = Buffer.from("E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04");

test("says of each value its format and its length, and runs the statement, in one piece", () => {
  const [piece, ...more] = executeMessages("s", ["é", 7, 12n, null, Uint8Array.of(1, 2), ""], { describe: false });
  expect(more).toEqual([]);
  const all = Buffer.from(piece ?? []);
  const message = all.subarray(0, -executeAndSync.length);
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
  expect(all.subarray(message.length)).toEqual(executeAndSync);
});

test("asks for the columns where they are not known", () => {
  const [asking, plain] = [true, false].map((describe) => Buffer.concat(executeMessages("s", [1], { describe })));
  const bound = plain?.subarray(0, -executeAndSync.length) ?? Buffer.of();
  expect(asking).toEqual(Buffer.concat([bound, Buffer.from("D\0\0\0\x06P\0"), executeAndSync]));
});

test("a large value is a piece of its own, and not copied", () => {
  const [large, text] = [new Uint8Array(5_000).fill(7), "x".repeat(3_000)];
  const pieces = executeMessages("s", [1, large, text, Uint8Array.of(9)], { describe: false });
  expect(pieces[1]).toBe(large);
  const message = Buffer.concat(pieces).subarray(0, -executeAndSync.length);
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
