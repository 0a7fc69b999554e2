import { Times } from "@warren/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Places } from "./places.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("gives places in order, and waits as long as some come back", async () => {
  const places = new Places(1);
  const entered: number[] = [];
  await places.take();
  const all = Array.from({ length: 5 }, async (_, n) => {
    await places.take();
    entered.push(n);
  });
  for (let n = 0; n < 5; n += 1) {
    await vi.advanceTimersByTimeAsync(Times.databaseConnectMs - 1);
    expect(entered).toHaveLength(n);
    places.giveBack();
    await all[n];
  }
  expect(entered).toEqual([0, 1, 2, 3, 4]);
  places.giveBack();
  await places.take();
  expect(vi.getTimerCount()).toBe(0);
});

test("gives up whoever waits when none comes back, and serves who comes later", async () => {
  const places = new Places(1);
  await places.take();
  const waiting = Promise.allSettled([places.take(), places.take()]);
  await vi.advanceTimersByTimeAsync(Times.databaseConnectMs);
  expect((await waiting).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  const later = places.take();
  places.giveBack();
  await later;
  expect(vi.getTimerCount()).toBe(0);
});
