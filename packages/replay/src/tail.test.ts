import type { EncodedBatch } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { Tail } from "./tail.ts";

const segment = (firstOffset: bigint, count: number, size = 10): EncodedBatch => ({
  firstOffset,
  count,
  bytes: new Uint8Array(size),
  eventEnds: Uint32Array.from({ length: count }, (_, i) => ((i + 1) * size) / count),
  recordedAt: 0,
});

describe("Tail", () => {
  test("finds the segment that holds an offset", () => {
    const tail = new Tail(3n, 100);
    const first = segment(4n, 2);
    const second = segment(6n, 5);
    tail.push(first);
    tail.push(second);
    expect(tail.find(3n)).toBeUndefined();
    expect(tail.find(4n)).toBe(first);
    expect(tail.find(5n)).toBe(first);
    expect(tail.find(6n)).toBe(second);
    expect(tail.find(10n)).toBe(second);
    expect(tail.find(11n)).toBeUndefined();
    expect([tail.first, tail.head]).toEqual([4n, 10n]);
  });

  test("W8: drops the oldest segments above its bound and keeps the newest", () => {
    const tail = new Tail(0n, 25);
    for (let i = 1n; i <= 5n; i += 1n) tail.push(segment(i, 1));
    expect([tail.first, tail.head, tail.bytes]).toEqual([4n, 5n, 20]);
    tail.push(segment(6n, 1, 1000));
    expect([tail.first, tail.head, tail.bytes]).toEqual([6n, 6n, 1000]);
  });

  test("W9: holds nothing that the log removed", () => {
    const tail = new Tail(0n, 100);
    for (let i = 1n; i <= 7n; i += 2n) tail.push(segment(i, 2));
    tail.cut(6n);
    expect([tail.first, tail.head, tail.bytes, tail.find(4n)]).toEqual([5n, 8n, 20, undefined]);
    tail.cut(1n);
    expect(tail.first).toBe(5n);
    tail.cut(100n);
    expect([tail.first, tail.head, tail.bytes]).toEqual([9n, 8n, 0]);
    tail.push(segment(9n, 1));
    expect(tail.find(9n)).toBeDefined();
  });

  test("holds nothing after the head moved without a segment", () => {
    const tail = new Tail(0n, 100);
    tail.push(segment(1n, 2));
    tail.advance(5n);
    expect([tail.first, tail.head, tail.bytes]).toEqual([6n, 5n, 0]);
    tail.advance(4n);
    expect(tail.head).toBe(5n);
  });

  test("W2: refuses a segment that does not follow the head", () => {
    expect(() => new Tail(3n, 100).push(segment(5n, 1))).toThrow("does not follow head 3");
  });
});
