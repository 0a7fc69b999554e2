import { createMemoryEventLog } from "@warren/event-store/memory";
import { silentLogger, systemClock } from "@warren/protocol";
import { Tail, TailBudget } from "@warren/replay";
import { createMemoryStateStore } from "@warren/state-store/memory";
import { expect, test } from "vitest";
import { ConsumerParking } from "./consumer-parking.ts";
import { Driver, pull } from "./machine/testing/consumer-driver.ts";

/** Consumer `n` with a side delivery under way in session `s`, its state, and all that its machine decided. */
async function withSide() {
  const store = createMemoryStateStore(() => 0);
  const { receiverId } = await store.ensureReceiver("key", { exchange: "e", patterns: ["#"] });
  await store.markReady(receiverId, 0);
  const claim = async (): Promise<bigint> => {
    const claimed = await store.claimConsumer("n", receiverId, 0n);
    return claimed.kind === "claimed" ? claimed.consumer.sessionToken : 0n;
  };
  const token = await claim();
  await store.park({ name: "n", sessionToken: token, offset: 1n, reason: "why", attempts: 1, recordedAt: 0, bytes: Uint8Array.of(1) });
  await store.retryParked("n", undefined, false);
  const driver = new Driver().awake({ token, retrying: true });
  const decided: string[] = [];
  const parking: ConsumerParking = new ConsumerParking({
    name: "n",
    receiverId,
    log: createMemoryEventLog(() => 0),
    tail: () => new Tail(0n, new TailBudget(1), () => undefined),
    clock: systemClock,
    logger: silentLogger,
    backoff: () => 0,
    store,
    dispatch: (input) => void decided.push(...driver.do(input)),
    paused: () => undefined,
    fenced: (fencedToken) => void decided.push(...driver.do({ kind: "fenced", token: fencedToken })),
    awake: () => driver.state.awake,
    isOpen: () => true,
  });
  driver.do(pull);
  await parking.load("s", 0n);
  driver.do(pull);
  const [deliveryId = 0n] = driver.state.awake?.sides.outstanding ?? [];
  driver.do(pull);
  decided.length = 0;
  const parkAgain = () => parking.park("s", { what: { deliveryId }, reason: "still", attempts: 1 });
  return { store, claim, decided, deliveryId, driver, parkAgain };
}

test("W5: a side delivery that fails again is parked again, and the session is told that it is settled", async () => {
  const { store, decided, deliveryId, parkAgain } = await withSide();
  expect(deliveryId).toBeGreaterThan(0n);
  await parkAgain();
  expect(decided.join()).toContain("acked");
  expect(await store.retrying("n", 0n, 10)).toEqual([]);
});

test("W5: a session that was replaced is told that it was, never that its side delivery is settled: it comes again", async () => {
  const { store, claim, decided, driver, parkAgain } = await withSide();
  await claim();
  await expect(parkAgain()).rejects.toMatchObject({ code: "TAKEN_OVER" });
  expect(decided.join()).not.toContain("acked");
  expect(driver.state.awake).toBeUndefined();
  expect(await store.retrying("n", 0n, 10)).toHaveLength(1);
});
