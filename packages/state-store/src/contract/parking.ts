import { describe, expect, test } from "vitest";
import type { Park } from "../parking-store.ts";
import type { ReceiverRow, StateStore } from "../state-store.ts";

/** The part of the contract that is about parked events. */
export function describeParking(store: () => StateStore, receiver: () => Promise<ReceiverRow>): void {
  describe("parked events", () => {
    async function claim(name: string): Promise<bigint> {
      const { receiverId } = await receiver();
      const result = await store().claimConsumer(name, receiverId, 0n);
      if (result.kind !== "claimed") throw new Error(result.kind);
      return result.consumer.sessionToken;
    }
    const park = (name: string, sessionToken: bigint, offset: bigint, more: Partial<Park> = {}) =>
      store().park({
        name,
        sessionToken,
        offset,
        reason: "why",
        attempts: 3,
        recordedAt: 1_700_000_000_000,
        bytes: Uint8Array.of(1, 2),
        ...more,
      });

    test("W7: are settled in the same statement; parking twice is one row", async () => {
      const token = await claim("park-once");
      expect(await park("park-once", token, 3n)).toEqual({ kind: "parked", ackedOffset: 0n, ranges: [{ first: 3n, last: 3n }] });
      expect(await park("park-once", token, 1n)).toMatchObject({ ackedOffset: 1n });
      expect(await park("park-once", token, 3n, { reason: "again", attempts: 2 })).toMatchObject({ kind: "parked" });
      expect(await store().consumer("park-once")).toMatchObject({ ackedOffset: 1n, ranges: [{ first: 3n, last: 3n }] });
      const rows = await store().parked("park-once", 0n, 10);
      expect(rows).toMatchObject([
        { offset: 1n, reason: "why", attempts: 3, recordedAt: 1_700_000_000_000, deliveryId: undefined },
        { offset: 3n, reason: "again", attempts: 3 },
      ]);
      expect([...(rows[0]?.bytes ?? [])]).toEqual([1, 2]);
      expect(await store().parked("park-once", 1n, 10)).toHaveLength(1);
      expect(await store().parked("park-once", 0n, 1)).toHaveLength(1);
      expect((await store().parkedCounts()).get("park-once")).toBe(2n);
    });

    test("W6: a session that was replaced parks and settles nothing", async () => {
      const old = await claim("park-fenced");
      await park("park-fenced", old, 1n);
      await store().retryParked("park-fenced", undefined, false);
      const [row] = await store().retrying("park-fenced", 0n, 10);
      const deliveryId = row?.deliveryId ?? 0n;
      await store().moveConsumer("park-fenced", 0n);
      expect(await park("park-fenced", old, 2n)).toEqual({ kind: "fenced" });
      expect(await store().settleRetried("park-fenced", old, [deliveryId])).toBe(false);
      expect(await store().parkAgain({ name: "park-fenced", sessionToken: old, deliveryId, reason: "x", attempts: 1 })).toBe(false);
      // What is parked stays settled, wherever the consumer is moved.
      expect(await store().consumer("park-fenced")).toMatchObject({ ackedOffset: 1n });
      expect(await store().parked("park-fenced", 0n, 10)).toMatchObject([{ offset: 1n, deliveryId }]);
    });

    test("are retried in their order, until they are done or parked again", async () => {
      const token = await claim("park-retry");
      for (const offset of [5n, 2n, 9n]) await park("park-retry", token, offset);
      expect(await store().retryParked("park-retry", [9n, 100n], true)).toBe(1n);
      expect(await store().retrying("park-retry", 0n, 10)).toEqual([]);
      expect(await store().retryParked("park-retry", [9n, 100n], false)).toBe(1n);
      expect(await store().retryParked("park-retry", undefined, false)).toBe(3n);
      const asked = await store().retrying("park-retry", 0n, 10);
      expect(asked.map(({ offset }) => offset)).toEqual([9n, 2n, 5n]);
      const [nine, two, five] = asked.map(({ deliveryId }) => deliveryId);
      expect(await store().retrying("park-retry", nine ?? 0n, 1)).toMatchObject([{ offset: 2n }]);
      expect(await store().settleRetried("park-retry", token, [nine ?? 0n, five ?? 0n])).toBe(true);
      expect(
        await store().parkAgain({ name: "park-retry", sessionToken: token, deliveryId: two ?? 0n, reason: "still", attempts: 2 }),
      ).toBe(true);
      expect(await store().parked("park-retry", 0n, 10)).toMatchObject([
        { offset: 2n, reason: "still", attempts: 5, deliveryId: undefined },
      ]);
      expect(await store().retrying("park-retry", 0n, 10)).toEqual([]);
      // It is not under way any more: that is no sign of another session.
      const gone = { name: "park-retry", sessionToken: token, deliveryId: two ?? 0n, reason: "late", attempts: 1 };
      expect(await store().parkAgain(gone)).toBe(true);
      expect(await store().parked("park-retry", 0n, 10)).toMatchObject([{ offset: 2n, reason: "still", attempts: 5 }]);
      // Asked again, it is another delivery.
      await store().retryParked("park-retry", undefined, false);
      expect((await store().retrying("park-retry", 0n, 10))[0]?.deliveryId).toBeGreaterThan(five ?? 0n);
    });

    test("are discarded on request, stay settled, and go with their consumer", async () => {
      const token = await claim("park-gone");
      for (const offset of [1n, 3n]) await park("park-gone", token, offset);
      expect(await store().discardParked("park-gone", [3n], true)).toBe(1n);
      expect(await store().discardParked("park-gone", [3n, 7n], false)).toBe(1n);
      expect(await store().parked("park-gone", 0n, 10)).toHaveLength(1);
      expect(await store().consumer("park-gone")).toMatchObject({ ackedOffset: 1n, ranges: [{ first: 3n, last: 3n }] });
      await store().deleteConsumer("park-gone");
      expect(await store().parked("park-gone", 0n, 10)).toEqual([]);
      expect((await store().parkedCounts()).has("park-gone")).toBe(false);
    });
  });
}
