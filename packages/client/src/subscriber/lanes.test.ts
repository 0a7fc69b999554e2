import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Lanes } from "./lanes.ts";

describe("Lanes", () => {
  test("run jobs of one key in their order, others beside them, never more than `concurrency` at once", async () => {
    const anyJobs = fc.array(fc.record({ key: fc.constantFrom(undefined, "a", "b", "c"), turns: fc.nat({ max: 4 }) }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(anyJobs, fc.integer({ min: 1, max: 4 }), async (jobs, concurrency) => {
        const lanes = new Lanes(concurrency);
        const begun: number[] = [];
        const under = new Set<string>();
        let running = 0;
        let most = 0;
        for (const [index, { key, turns }] of jobs.entries()) {
          await lanes.run(key, async () => {
            expect(key !== undefined && under.has(key)).toBe(false);
            if (key !== undefined) under.add(key);
            running += 1;
            most = Math.max(most, running);
            begun.push(index);
            for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
            running -= 1;
            if (key !== undefined) under.delete(key);
          });
        }
        await lanes.idle();
        expect(most).toBeLessThanOrEqual(concurrency);
        expect(begun.toSorted((a, b) => a - b)).toEqual(jobs.map((_, index) => index));
        for (const key of ["a", "b", "c"]) {
          const mine = begun.filter((index) => jobs[index]?.key === key);
          expect(mine).toEqual(mine.toSorted((a, b) => a - b));
        }
      }),
    );
  });

  test("a hot key does not keep the others waiting", async () => {
    const lanes = new Lanes(2);
    const hot = Promise.withResolvers<void>();
    const done: string[] = [];
    await lanes.run("hot", () => hot.promise.then(() => void done.push("hot 1")));
    await lanes.run("hot", async () => void done.push("hot 2"));
    await lanes.run("cold", async () => void done.push("cold"));
    await Promise.resolve();
    expect(done).toEqual(["cold"]);
    hot.resolve();
    await lanes.idle();
    expect(done).toEqual(["cold", "hot 1", "hot 2"]);
  });

  test("end with the first failure, and begin nothing after it", async () => {
    const lanes = new Lanes(1);
    const began: number[] = [];
    await lanes.run("k", async () => {
      began.push(1);
      throw new Error("broken");
    });
    await expect(lanes.failed).rejects.toThrow("broken");
    await expect(lanes.run("k", async () => void began.push(2))).rejects.toThrow("broken");
    await expect(lanes.idle()).rejects.toThrow("broken");
    expect(began).toEqual([1]);
  });
});
