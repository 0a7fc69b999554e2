import { silentLogger, systemClock } from "@warren/protocol";
import { createMemoryStateStore } from "@warren/state-store/memory";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Upkeep, type Upkept } from "./upkeep.ts";

beforeEach(() => vi.useFakeTimers({ now: 0 }));
afterEach(() => vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function underUpkeep(count: number) {
  let during = (): void => undefined;
  const duringPass = (run: () => void): void => void (during = run);
  const passes: { readonly at: number; readonly receiver: bigint }[] = [];
  const receiver = (receiverId: bigint): Upkept => ({
    row: { receiverId, configKey: String(receiverId) },
    owned: false,
    inUse: false,
    unusedSince: 0,
    usedSaidAt: 0,
    keptAt: -Infinity,
    measureQueue: () => Promise.resolve(),
    upkeep: {
      pass() {
        passes.push({ at: Date.now(), receiver: receiverId });
        during();
        return Promise.resolve();
      },
    },
  });
  const receivers = Array.from({ length: count }, (_, i) => receiver(BigInt(i + 1)));
  const deps = { clock: systemClock, logger: silentLogger, state: createMemoryStateStore(() => 0) };
  const upkeep = new Upkeep(deps, { upkeepMs: 100 }, { receivers: () => receivers, retire: () => Promise.resolve(false) });
  return { upkeep, passes, duringPass, receivers, add: () => receivers.push(receiver(BigInt(receivers.length + 1))) };
}

test("each receiver has its turn once in a period, at a time of its own", async () => {
  const { upkeep, passes } = underUpkeep(4);
  upkeep.start();
  await pass(200);
  expect(passes).toEqual([25, 50, 75, 100, 125, 150, 175, 200].map((at, i) => ({ at, receiver: BigInt((i % 4) + 1) })));
  upkeep.stop();
  await pass(200);
  expect(passes).toHaveLength(8);
});

test("stopped in the middle of a turn, it begins no other", async () => {
  const { upkeep, passes, duringPass } = underUpkeep(2);
  duringPass(() => upkeep.stop());
  upkeep.start();
  await pass(300);
  expect(passes).toHaveLength(1);
});

test("one that comes is next, whoever was waited for, and one that goes has no turn", async () => {
  const { upkeep, passes, receivers, add } = underUpkeep(1);
  upkeep.start();
  await pass(110);
  add();
  add();
  await pass(90);
  expect(passes).toEqual([
    { at: 100, receiver: 1n },
    { at: 200, receiver: 2n },
  ]);
  receivers.pop();
  await pass(150);
  expect(passes.slice(2)).toEqual([
    { at: 233, receiver: 1n },
    { at: 300, receiver: 2n },
    { at: 350, receiver: 1n },
  ]);
});

test("whoever comes and goes, each waits a whole period for its next turn, and not for a third", async () => {
  const { upkeep, passes, receivers, add } = underUpkeep(1);
  upkeep.start();
  for (let step = 0; step < 60; step += 1) {
    await pass(50);
    // Many come at once; later some go, so that the others move up.
    if (step === 5) for (let i = 0; i < 9; i += 1) add();
    if (step >= 20 && step % 5 === 0) receivers.splice(step % receivers.length, 1);
  }
  upkeep.stop();
  const left = receivers.map(({ row }) => row.receiverId);
  expect(left.length).toBeGreaterThan(0);
  for (const id of left) {
    const times = passes.filter(({ receiver }) => receiver === id).map(({ at }) => at);
    const waits = times.slice(1).map((at, i) => at - (times[i] ?? 0));
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...waits)).toBeLessThan(300);
  }
});
