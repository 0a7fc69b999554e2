import { Times, type Clock } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { cutWhenStuck } from "./cut-when-stuck.ts";

/** A session, a clock that tells its timers, and how often the stream was cut. */
function watched() {
  const ended = new AbortController();
  const timers = new Map<() => void, number>();
  const clock: Clock = {
    monotonicMs: () => 0,
    wallMs: () => 0,
    after(delayMs, run) {
      timers.set(run, delayMs);
      return { cancel: () => void timers.delete(run) };
    },
  };
  const cuts: string[] = [];
  const stopWatching = cutWhenStuck({ signal: ended.signal }, clock, () => cuts.push("cut"));
  return { ended, timers, cuts, stopWatching };
}

describe("cutWhenStuck()", () => {
  test("W8: cuts a stream that is not over a while after its session has ended", () => {
    const { ended, timers, cuts } = watched();
    expect(timers.size).toBe(0);
    ended.abort();
    expect([...timers.values()]).toEqual([Times.streamEndMs]);
    for (const run of timers.keys()) run();
    expect(cuts).toEqual(["cut"]);
  });

  test("leaves a stream alone that ends by itself, before or after its session", () => {
    const after = watched();
    after.ended.abort();
    after.stopWatching();
    const before = watched();
    before.stopWatching();
    before.ended.abort();
    expect([after.timers.size, before.timers.size]).toEqual([0, 0]);
  });
});
