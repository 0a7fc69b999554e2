import { describe, expect, test } from "vitest";
import { keepEverything } from "../lifetime-store.ts";
import type { ReceiverRow, StateStore } from "../state-store.ts";

/** The part of the contract that is about how long things live. */
export function describeLifetimes(store: () => StateStore, receiver: () => Promise<ReceiverRow>): void {
  describe("lifetimes", () => {
    const ready = async (): Promise<ReceiverRow> => store().markReady((await receiver()).receiverId, 1);
    async function claim(name: string, receiverId: bigint, expireAfterMs?: number): Promise<bigint> {
      const result = await store().claimConsumer(name, receiverId, 0n, { expireAfterMs });
      if (result.kind !== "claimed") throw new Error(result.kind);
      return result.consumer.sessionToken;
    }

    test("keep the retention of a receiver, which is to keep everything until it is set", async () => {
      const row = await receiver();
      expect(row.retention).toEqual(keepEverything);
      const retention = { maxAgeMs: 86_400_000, maxBytes: 10_000_000_000, untilAcked: true, hold: false };
      expect(await store().setRetention(row.receiverId, retention)).toEqual({ ...row, retention });
      expect((await store().load()).receivers).toContainEqual({ ...row, retention });
      expect(await store().setRetention(row.receiverId, keepEverything)).toEqual(row);
      expect(await store().setRetention(999_999n, retention)).toBeUndefined();
    });

    test("forget a consumer that sleeps for longer than it may, with what it parked, and never one that is awake", async () => {
      const { receiverId } = await ready();
      const sleeper = await claim("expire-sleeper", receiverId, 0);
      await store().park({
        name: "expire-sleeper",
        sessionToken: sleeper,
        offset: 1n,
        reason: "",
        attempts: 1,
        recordedAt: 1,
        bytes: new Uint8Array(),
      });
      await claim("expire-awake", receiverId, 0);
      const never = await claim("expire-never", receiverId);
      const long = await claim("expire-long", receiverId, 3_600_000);
      const other = (await ready()).receiverId;
      await store().markAsleep(other, [{ name: "expire-awake", sessionToken: sleeper }]);
      await store().markAsleep(receiverId, [
        { name: "expire-sleeper", sessionToken: sleeper },
        { name: "expire-never", sessionToken: never },
        { name: "expire-long", sessionToken: long },
        // It was claimed since.
        { name: "expire-awake", sessionToken: sleeper },
      ]);
      expect(await store().expireConsumers(receiverId)).toMatchObject([{ name: "expire-sleeper" }]);
      expect(await store().consumer("expire-sleeper")).toBeUndefined();
      expect(await store().parked("expire-sleeper", 0n, 10)).toEqual([]);
      expect(await store().consumer("expire-long")).toMatchObject({ expireAfterMs: 3_600_000 });
      expect(await store().setExpiry("expire-long", 0)).toBe(true);
      expect(await store().expireConsumers(receiverId)).toMatchObject([{ name: "expire-long" }]);
      for (const name of ["expire-awake", "expire-never"]) expect(await store().consumer(name)).toBeDefined();
      expect(await store().setExpiry("nobody", 1)).toBe(false);
    });

    test("count the sleep from when it began, to the next claim; all sleep when a broker takes the receiver", async () => {
      const { receiverId } = await ready();
      await claim("asleep-crash", receiverId, 0);
      await store().markAsleep(receiverId, "all");
      await claim("asleep-crash", receiverId, 7);
      // Awake again, and the row was there: what the claim says of expiry counts for nothing.
      expect(await store().expireConsumers(receiverId)).toEqual([]);
      await store().markAsleep(receiverId, "all");
      expect(await store().expireConsumers(receiverId)).toMatchObject([{ expireAfterMs: 0 }]);
    });

    test("W9: knows where every consumer of a receiver is, and who sleeps", async () => {
      const [{ receiverId }, other] = [await ready(), await ready()];
      const token = await claim("readers-awake", receiverId);
      const sleeper = await claim("readers-asleep", receiverId);
      await claim("readers-other", other.receiverId);
      await store().saveOffsets([{ name: "readers-awake", sessionToken: token, ackedOffset: 7n, ranges: [{ first: 9n, last: 9n }] }]);
      await store().markAsleep(receiverId, [{ name: "readers-asleep", sessionToken: sleeper }]);
      const readers = await store().readers(receiverId);
      expect(readers.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
        { name: "readers-asleep", ackedOffset: 0n, asleep: true },
        { name: "readers-awake", ackedOffset: 7n, asleep: false },
      ]);
    });

    test("W13: a receiver retires when no consumer has it and it was not used, and none can be made on it from then on", async () => {
      const row = await ready();
      await claim("retire-holder", row.receiverId);
      expect(await store().retire(row.receiverId, 0)).toBe(false);
      await store().deleteConsumer("retire-holder");
      await store().markUsed(row.receiverId);
      expect(await store().retire(row.receiverId, 3_600_000)).toBe(false);
      await store().removeReceiver(row.receiverId);
      expect(await store().retire(row.receiverId, 0)).toBe(true);
      expect(await store().retire(row.receiverId, 3_600_000)).toBe(true);
      expect(await store().claimConsumer("retire-late", row.receiverId, 0n)).toEqual({ kind: "retired" });
      expect(await store().ensureReceiver(row.configKey, row.config)).toMatchObject({ receiverId: row.receiverId, phase: "retiring" });
      await store().removeReceiver(row.receiverId);
      await store().removeReceiver(row.receiverId);
      expect(await store().claimConsumer("retire-late", row.receiverId, 0n)).toEqual({ kind: "retired" });
      const again = await store().ensureReceiver(row.configKey, row.config);
      expect(again.receiverId).not.toBe(row.receiverId);
      expect(again.phase).toBe("creating");
      expect(await store().retire(again.receiverId, 0)).toBe(false);
    });

    test("W13: of a claim and a retirement at once one fails", async () => {
      for (let round = 0; round < 20; round += 1) {
        const { receiverId } = await ready();
        const name = `retire-race-${round}`;
        const [claimed, retired] = await Promise.all([store().claimConsumer(name, receiverId, 0n), store().retire(receiverId, 0)]);
        expect([claimed.kind, retired]).toEqual(retired ? ["retired", true] : ["claimed", false]);
      }
    });
  });
}
