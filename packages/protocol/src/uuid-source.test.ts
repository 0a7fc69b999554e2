import fc from "fast-check";
import { V7Generator } from "uuidv7";
import { expect, test } from "vitest";
import { UuidSource } from "./uuid-source.ts";

test("ids are UUIDv7s of the time they are made at, each greater than the one before, and no two alike", () => {
  const source = new UuidSource();
  const now = Date.now();
  const times = Array.from({ length: 5_000 }, (_, n) => now + Math.floor(n / 100));
  const ids = times.map((ms) => source.next(ms));
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(ids.filter((id) => !uuid.test(id))).toEqual([]);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.map((id) => Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16))).toEqual(times);
  expect(new UuidSource().next(now)).not.toBe(new UuidSource().next(now));
});

test("they are the ids that the package uuidv7 makes of the same random numbers: also when a counter is full, and when the clock goes back a little or a lot", () => {
  // Numbers near their ends fill the counter.
  const number = fc.constantFrom(0, 1, 0x3ff, 0xf_ffff, 0x10_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff);
  const step = fc.constantFrom(0, 0, 0, 0, 1, 65_536, -1, -9_999, -10_000, -10_001, -10_002, -1e9);
  fc.assert(
    fc.property(fc.infiniteStream(number), fc.array(step, { maxLength: 100 }), (stream, steps) => {
      const numbers = [...stream.take(4 * steps.length)];
      const drawn = (): (() => number) => {
        let next = 0;
        return () => numbers[next++ % numbers.length] ?? 0;
      };
      const generator = new V7Generator({ nextUint32: drawn() });
      const source = new UuidSource(drawn());
      let now = 1_700_000_000_000;
      for (const each of steps) {
        now += each;
        const id = source.next(now);
        expect(id).toBe(generator.generateOrResetWithTs(now).toString());
        expect([source.text, new TextDecoder().decode(source.ascii)]).toEqual([id, id]);
      }
    }),
    { numRuns: 1_000 },
  );
});
