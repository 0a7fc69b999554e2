import type { EncodedBatch } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { TailBudget } from "./tail-budget.ts";
import { Tail } from "./tail.ts";

const segment = (firstOffset: bigint, count: number, size = 10): EncodedBatch => ({
  firstOffset,
  count,
  bytes: new Uint8Array(size),
  eventEnds: Uint32Array.from({ length: count }, (_, i) => ((i + 1) * size) / count),
  recordedAt: 0,
});

const tailOf = (head: bigint, bytes: number): Tail => new Tail(head, new TailBudget(bytes), () => undefined);

describe("Tail", () => {
  test("finds the segment that holds an offset", () => {
    const tail = tailOf(3n, 100);
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
    const tail = tailOf(0n, 25);
    for (let i = 1n; i <= 5n; i += 1n) tail.push(segment(i, 1));
    expect([tail.first, tail.head]).toEqual([4n, 5n]);
    tail.push(segment(6n, 1, 1000));
    expect([tail.first, tail.head]).toEqual([6n, 6n]);
  });

  test("W8: tails share a budget; who is shortened by another is told, and may be left with nothing", () => {
    const budget = new TailBudget(40);
    const told: [bigint, bigint][] = [];
    const quiet: Tail = new Tail(0n, budget, () => void told.push([quiet.first, quiet.head]));
    const busy = new Tail(7n, budget, () => undefined);
    quiet.push(segment(1n, 2));
    quiet.push(segment(3n, 2));
    for (let i = 8n; i <= 10n; i += 1n) busy.push(segment(i, 1));
    expect(told).toEqual([[3n, 4n]]);
    busy.push(segment(11n, 1));
    expect(told.at(-1)).toEqual([5n, 4n]);
    expect([quiet.find(4n), busy.first, budget.total]).toEqual([undefined, 8n, 40]);
    quiet.push(segment(5n, 1));
    expect([quiet.first, busy.first]).toEqual([5n, 9n]);
    busy.clear();
    busy.clear();
    expect([busy.first, budget.total]).toEqual([12n, 10]);
  });

  test("W8: finds what it holds after thousands of segments have gone", () => {
    const budget = new TailBudget(10_000);
    const tail = new Tail(0n, budget, () => undefined);
    for (let offset = 1n; offset <= 9_000n; offset += 1n) {
      tail.push(segment(offset, 1));
      const { first } = tail;
      // Packed ones go together.
      const lowest = offset > 1_000n ? offset - 999n : 1n;
      expect(first >= lowest && first <= lowest + 64n).toBe(true);
      expect([tail.find(first - 1n), tail.find(first)?.firstOffset, tail.newest?.firstOffset]).toEqual([undefined, first, offset]);
    }
    tail.cut(8_500n);
    expect([tail.first, tail.find(8_499n), tail.find(8_500n)?.firstOffset]).toEqual([8_500n, undefined, 8_500n]);
    tail.clear();
    expect([tail.first, tail.newest, tail.find(9_000n), budget.total]).toEqual([9_001n, undefined, undefined, 0]);
  });

  test("gives small segments as they were pushed, also when they are packed, and takes less of the budget for them", () => {
    const overhead = 100;
    const budget = new TailBudget(1_000_000, overhead);
    const tail = new Tail(0n, budget, () => undefined);
    const pushed: EncodedBatch[] = [];
    // Small ones, some large ones between, and small ones again.
    for (let i = 0; i < 500; i += 1) {
      const count = 1 + (i % 3);
      const size = (i % 150 === 149 ? 5_000 : 20 + (i % 7)) * count;
      const plain = segment(tail.head + 1n, count, size);
      const made = { ...plain, bytes: Uint8Array.from({ length: size }, (_, at) => i * 31 + at), recordedAt: i };
      tail.push(made);
      pushed.push(made);
      expect(tail.newest).toBe(made);
    }
    for (const made of pushed) for (let i = 0; i < made.count; i += 1) expect(tail.find(made.firstOffset + BigInt(i))).toEqual(made);
    const bytes = pushed.reduce((sum, made) => sum + made.bytes.length, 0);
    expect(budget.total).toBeLessThan(bytes + 100 * overhead);
    for (const made of pushed) {
      tail.cut(made.firstOffset);
      expect([tail.first, tail.find(made.firstOffset - 1n), tail.find(made.firstOffset)]).toEqual([made.firstOffset, undefined, made]);
    }
    tail.clear();
    expect([tail.newest, budget.total]).toEqual([undefined, 0]);
  });

  test("W8: a budget for fewer segments than are packed together, shared by two, is kept, and what is held is found", () => {
    for (const fits of [1, 2, 3, 10, 63, 64, 65, 100]) {
      const budget = new TailBudget(fits * 10);
      const tails = [new Tail(0n, budget, () => undefined), new Tail(0n, budget, () => undefined)] as const;
      for (let i = 0; i < 700; i += 1) {
        const tail = tails[i % 7 === 0 ? 1 : 0];
        tail.push(segment(tail.head + 1n, 1, i % 100 === 99 ? 5_000 : 10));
        expect(tail.newest?.firstOffset).toBe(tail.head);
        for (const each of tails) {
          const held = each.first > each.head ? undefined : each.first;
          expect([each.find(each.first)?.firstOffset, each.find(each.first - 1n)]).toEqual([held, undefined]);
        }
        expect(budget.total <= fits * 10 || tail.first === tail.head).toBe(true);
      }
    }
  });

  test("gives one object for all that it is asked for of a packed segment", () => {
    const tail = tailOf(0n, 100_000);
    for (let i = 1n; i <= 199n; i += 2n) tail.push(segment(i, 2));
    expect(tail.find(1n)).toBe(tail.find(2n));
    expect(tail.find(3n)).not.toBe(tail.find(2n));
  });

  test("W9: holds nothing that the log removed", () => {
    const tail = tailOf(0n, 100);
    for (let i = 1n; i <= 7n; i += 2n) tail.push(segment(i, 2));
    tail.cut(6n);
    expect([tail.first, tail.head, tail.find(4n)]).toEqual([5n, 8n, undefined]);
    tail.cut(1n);
    expect(tail.first).toBe(5n);
    tail.cut(100n);
    expect([tail.first, tail.head]).toEqual([9n, 8n]);
    tail.push(segment(9n, 1));
    expect(tail.find(9n)).toBeDefined();
  });

  test("holds nothing after the head moved without a segment", () => {
    const tail = tailOf(0n, 100);
    tail.push(segment(1n, 2));
    tail.advance(5n);
    expect([tail.first, tail.head]).toEqual([6n, 5n]);
    tail.advance(4n);
    expect(tail.head).toBe(5n);
  });

  test("W2: refuses a segment that does not follow the head", () => {
    expect(() => tailOf(3n, 100).push(segment(5n, 1))).toThrow("does not follow head 3");
  });
});
