import { silentLogger, type Clock } from "@warren/protocol";
import { createMemoryStateStore } from "@warren/state-store/memory";
import { expect, test } from "vitest";
import { Upkeep, type Upkept } from "./upkeep.ts";

/** Its timers run when time is made to pass. */
class ManualClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  wallMs(): number {
    return this.#now;
  }

  monotonicMs(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): { cancel(): void } {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** All that follows from a timer is done before the next millisecond. */
  async pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i += 1) {
      this.#now += 1;
      for (const timer of this.#timers) {
        if (timer.at > this.#now) continue;
        this.#timers.delete(timer);
        timer.run();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function underUpkeep(count: number) {
  const clock = new ManualClock();
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
        passes.push({ at: clock.wallMs(), receiver: receiverId });
        return Promise.resolve();
      },
    },
  });
  const receivers = Array.from({ length: count }, (_, i) => receiver(BigInt(i + 1)));
  const deps = { clock, logger: silentLogger, state: createMemoryStateStore(() => 0) };
  const upkeep = new Upkeep(deps, { upkeepMs: 100 }, { receivers: () => receivers, retire: () => Promise.resolve(false) });
  return { clock, upkeep, passes, receivers, add: () => receivers.push(receiver(BigInt(receivers.length + 1))) };
}

test("each receiver has its turn once in a period, at a time of its own", async () => {
  const { clock, upkeep, passes } = underUpkeep(4);
  upkeep.start();
  await clock.pass(200);
  expect(passes).toEqual([25, 50, 75, 100, 125, 150, 175, 200].map((at, i) => ({ at, receiver: BigInt((i % 4) + 1) })));
  upkeep.stop();
  await clock.pass(200);
  expect(passes).toHaveLength(8);
});

test("one that comes has its turn in the next round, one that goes has none", async () => {
  const { clock, upkeep, passes, receivers, add } = underUpkeep(0);
  upkeep.start();
  await clock.pass(50);
  add();
  add();
  await clock.pass(100);
  expect(passes).toEqual([{ at: 150, receiver: 1n }]);
  receivers.pop();
  await clock.pass(150);
  expect(passes.map(({ receiver }) => receiver)).toEqual([1n, 1n]);
});

test("whoever comes and goes, each waits a whole period for its next turn, and not for a third", async () => {
  const { clock, upkeep, passes, receivers, add } = underUpkeep(1);
  upkeep.start();
  for (let step = 0; step < 60; step += 1) {
    await clock.pass(50);
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
