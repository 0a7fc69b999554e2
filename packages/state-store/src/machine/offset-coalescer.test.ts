import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cleanCoalescer, stepCoalescer, type CoalescerEffect, type CoalescerInput, type CoalescerState } from "./offset-coalescer.ts";

class Driver {
  state: CoalescerState = cleanCoalescer;
  now = 0;

  do(input: CoalescerInput): readonly CoalescerEffect[] {
    const step = stepCoalescer(this.state, input, this.now, 100);
    this.state = step.state;
    return step.effects;
  }

  ack(name: string, ackedOffset: bigint, sessionToken = 1n): readonly CoalescerEffect[] {
    return this.do({ kind: "acked", save: { name, sessionToken, ackedOffset, ranges: [] } });
  }
}

const saved = (name: string, ackedOffset: bigint) => ({ kind: "saved" as const, name, ackedOffset, ranges: [] });

describe("stepCoalescer()", () => {
  test("W13: saves the newest offset of each name, together, after the delay", () => {
    const driver = new Driver();
    expect(driver.ack("a", 1n)).toEqual([{ kind: "wake", afterMs: 100 }]);
    expect([...driver.ack("a", 3n), ...driver.ack("b", 7n), ...driver.ack("a", 2n)]).toEqual([]);
    driver.now = 100;
    expect(driver.do({ kind: "due" })).toEqual([
      {
        kind: "save",
        saves: [
          { name: "a", sessionToken: 1n, ackedOffset: 3n, ranges: [] },
          { name: "b", sessionToken: 1n, ackedOffset: 7n, ranges: [] },
        ],
      },
    ]);
    expect(driver.do({ kind: "saved", results: [saved("a", 3n), saved("b", 7n)] }).map(({ kind }) => kind)).toEqual(["told", "told"]);
  });

  test("waits again when its timer fires early", () => {
    const driver = new Driver();
    driver.ack("a", 1n);
    driver.now = 99.5;
    expect(driver.do({ kind: "due" })).toEqual([{ kind: "wake", afterMs: 0.5 }]);
    driver.now = 100;
    expect(driver.do({ kind: "due" })).toMatchObject([{ kind: "save" }]);
  });

  test("has one save under way, and saves what came meanwhile next", () => {
    const driver = new Driver();
    driver.ack("a", 1n);
    expect(driver.do({ kind: "flush", ticket: 1 })).toMatchObject([{ kind: "save" }]);
    expect(driver.ack("a", 2n)).toEqual([]);
    expect(driver.do({ kind: "flush", ticket: 1 })).toEqual([]);
    expect(driver.do({ kind: "saved", results: [saved("a", 1n)] }).map(({ kind }) => kind)).toEqual(["told", "flushed", "save"]);
  });

  test("a flush ends when what was acked before it is saved, however much is acked meanwhile", () => {
    const driver = new Driver();
    expect(driver.do({ kind: "flush", ticket: 1 })).toEqual([{ kind: "flushed", ticket: 1 }]);
    driver.ack("busy", 1n);
    driver.do({ kind: "flush", ticket: 2 });
    driver.ack("busy", 2n);
    // What it waits for is not under way yet: that comes with the next save.
    driver.do({ kind: "flush", ticket: 3 });
    const kinds = (effects: readonly CoalescerEffect[]) => effects.map((each) => (each.kind === "flushed" ? each.ticket : each.kind));
    driver.ack("busy", 3n);
    expect(kinds(driver.do({ kind: "saved", results: [saved("busy", 1n)] }))).toEqual(["told", 2, "save"]);
    driver.ack("busy", 4n);
    expect(kinds(driver.do({ kind: "saved", results: [saved("busy", 3n)] }))).toEqual(["told", 3, "wake"]);
  });

  test("W11: a flush outlives a save that failed", () => {
    const driver = new Driver();
    driver.ack("a", 1n);
    driver.do({ kind: "flush", ticket: 1 });
    driver.ack("a", 2n);
    driver.do({ kind: "failed", retryMs: 50 });
    driver.now = 50;
    expect(driver.do({ kind: "due" })).toMatchObject([{ kind: "save", saves: [{ ackedOffset: 2n }] }]);
    driver.ack("a", 3n);
    expect(driver.do({ kind: "saved", results: [saved("a", 2n)] })).toMatchObject([
      { kind: "told" },
      { kind: "flushed", ticket: 1 },
      { kind: "wake" },
    ]);
  });

  test("W11: keeps what could not be saved, and a newer ack of the same name wins", () => {
    const driver = new Driver();
    driver.ack("a", 1n);
    driver.ack("b", 1n);
    driver.do({ kind: "flush", ticket: 1 });
    driver.ack("a", 5n);
    expect(driver.do({ kind: "failed", retryMs: 50 })).toEqual([{ kind: "wake", afterMs: 50 }]);
    driver.now = 50;
    expect(driver.do({ kind: "due" })).toMatchObject([
      {
        kind: "save",
        saves: [
          { name: "a", ackedOffset: 5n },
          { name: "b", ackedOffset: 1n },
        ],
      },
    ]);
  });

  test("W6: an ack of a newer session replaces one of an older session, also a greater one", () => {
    const driver = new Driver();
    driver.ack("a", 9n, 1n);
    driver.ack("a", 4n, 2n);
    driver.ack("a", 8n, 1n);
    expect(driver.do({ kind: "flush", ticket: 1 })).toMatchObject([{ kind: "save", saves: [{ sessionToken: 2n, ackedOffset: 4n }] }]);
  });

  test("W7: whatever fails, the last ack of each name is saved in the end, and saves never go back", () => {
    const step = fc.record({ name: fc.constantFrom("a", "b"), grow: fc.integer({ min: 0, max: 3 }), fails: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const driver = new Driver();
        const acked = new Map<string, bigint>();
        const stored = new Map<string, bigint>();
        const answer = (effects: readonly CoalescerEffect[], fails: boolean): void => {
          const save = effects.find((effect) => effect.kind === "save");
          if (save === undefined) return;
          if (fails) return void driver.do({ kind: "failed", retryMs: 1 });
          for (const each of save.saves) {
            expect(each.ackedOffset).toBeGreaterThanOrEqual(stored.get(each.name) ?? 0n);
            stored.set(each.name, each.ackedOffset);
          }
          answer(driver.do({ kind: "saved", results: save.saves.map(({ name, ackedOffset }) => saved(name, ackedOffset)) }), false);
        };
        for (const { name, grow, fails } of steps) {
          acked.set(name, (acked.get(name) ?? 0n) + BigInt(grow));
          driver.ack(name, acked.get(name) ?? 0n);
          driver.now += 60;
          answer(driver.do({ kind: "due" }), fails);
        }
        answer(driver.do({ kind: "flush", ticket: 1 }), false);
        expect(stored).toEqual(acked);
      }),
    );
  });
});
