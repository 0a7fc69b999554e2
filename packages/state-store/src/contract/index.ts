import { describeLifetimes } from "./lifetimes.ts";
import { describeParking } from "./parking.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ConsumerRow, StateStore } from "../state-store.ts";

/** What a suite needs of an implementation. */
export interface StateStoreUnderTest {
  readonly store: StateStore;
  close(): Promise<void>;
}

/** The contract of StateStore, to be run on every implementation. */
export function describeStateStore(name: string, open: () => Promise<StateStoreUnderTest>): void {
  describe(`StateStore: ${name}`, () => {
    let subject: StateStoreUnderTest;
    let made = 0;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());

    const config = { exchange: "events", patterns: ["a.#", "b.*"] };
    function receiver() {
      made += 1;
      return subject.store.ensureReceiver(`key-${made}`, config);
    }
    async function claim(consumer: string, receiverId: bigint, startAfter = 0n) {
      const result = await subject.store.claimConsumer(consumer, receiverId, startAfter);
      if (result.kind !== "claimed") throw new Error(result.kind);
      return result;
    }

    const range = (first: bigint, last: bigint) => ({ first, last });
    const saveOf = (consumer: ConsumerRow, ackedOffset: bigint, ...ranges: readonly (readonly [bigint, bigint])[]) => ({
      name: consumer.name,
      sessionToken: consumer.sessionToken,
      ackedOffset,
      ranges: ranges.map(([first, last]) => range(first, last)),
    });

    test("W13: makes one receiver of a config key, however many ask at once", async () => {
      const rows = await Promise.all(Array.from({ length: 5 }, () => subject.store.ensureReceiver("together", config)));
      expect(new Set(rows.map(({ receiverId }) => receiverId)).size).toBe(1);
      expect(rows[0]).toMatchObject({ configKey: "together", config, phase: "creating", completeSince: undefined });
    });

    test("W13: becomes ready once, and complete since the first time", async () => {
      const { receiverId } = await receiver();
      expect(await subject.store.markReady(receiverId, 1_700_000_000_123)).toMatchObject({
        phase: "ready",
        completeSince: 1_700_000_000_123,
      });
      expect(await subject.store.markReady(receiverId, 1_800_000_000_000)).toMatchObject({ completeSince: 1_700_000_000_123 });
    });

    test("W6: makes a consumer where it starts, and every claim of it has a greater token", async () => {
      const { receiverId } = await receiver();
      const first = await claim("grows", receiverId, 41n);
      expect(first).toMatchObject({ created: true, consumer: { name: "grows", receiverId, ackedOffset: 41n } });
      const claims = await Promise.all(Array.from({ length: 10 }, () => claim("grows", receiverId, 99n)));
      const tokens = claims.map(({ consumer }) => consumer.sessionToken);
      expect(new Set([...tokens, first.consumer.sessionToken]).size).toBe(11);
      expect(tokens.every((token) => token > first.consumer.sessionToken)).toBe(true);
      expect(claims.every(({ created, consumer }) => !created && consumer.ackedOffset === 41n)).toBe(true);
      const newest = tokens.reduce((a, b) => (a > b ? a : b));
      expect((await subject.store.consumer("grows"))?.sessionToken).toBe(newest);
      await claim("grows-too", receiverId);
      const found = await subject.store.consumers(["grows", "nobody", "grows-too"]);
      expect([...found.keys()].toSorted()).toEqual(["grows", "grows-too"]);
      expect(found.get("grows")).toEqual(await subject.store.consumer("grows"));
      expect(await subject.store.nextToken()).toBeGreaterThan(newest);
    });

    test("refuses a name that another receiver has, and changes nothing", async () => {
      const [one, two] = [await receiver(), await receiver()];
      const { consumer } = await claim("taken", one.receiverId);
      expect(await subject.store.claimConsumer("taken", two.receiverId, 0n)).toEqual({ kind: "other-receiver", consumer, config });
      expect(await subject.store.consumer("taken")).toEqual(consumer);
    });

    test("W7: saves offsets that only grow, each name by itself, fenced by its token", async () => {
      const { receiverId } = await receiver();
      const a = (await claim("save-a", receiverId)).consumer;
      const b = (await claim("save-b", receiverId)).consumer;
      expect(await subject.store.saveOffsets([saveOf(a, 5n), saveOf(b, 7n)])).toEqual([
        { kind: "saved", name: "save-a", ackedOffset: 5n, ranges: [] },
        { kind: "saved", name: "save-b", ackedOffset: 7n, ranges: [] },
      ]);
      expect(await subject.store.saveOffsets([saveOf(a, 3n)])).toEqual([{ kind: "saved", name: "save-a", ackedOffset: 5n, ranges: [] }]);
      const newer = (await claim("save-a", receiverId)).consumer;
      expect(newer.ackedOffset).toBe(5n);
      expect(await subject.store.saveOffsets([saveOf(a, 9n), saveOf(b, 8n)])).toEqual([
        { kind: "fenced", name: "save-a" },
        { kind: "saved", name: "save-b", ackedOffset: 8n, ranges: [] },
      ]);
      expect((await subject.store.consumer("save-a"))?.ackedOffset).toBe(5n);
      expect(await subject.store.saveOffsets([{ name: "nobody", sessionToken: 1n, ackedOffset: 1n, ranges: [] }])).toEqual([
        { kind: "fenced", name: "nobody" },
      ]);
      expect(await subject.store.saveOffsets([])).toEqual([]);
    });

    test("W7: saves settled ranges, adds to those that are there, and takes none back", async () => {
      const { receiverId } = await receiver();
      const { consumer } = await claim("ranges", receiverId);
      expect(await subject.store.saveOffsets([saveOf(consumer, 2n, [4n, 5n], [9n, 9n])])).toEqual([
        { kind: "saved", name: "ranges", ackedOffset: 2n, ranges: [range(4n, 5n), range(9n, 9n)] },
      ]);
      // An older save that comes late.
      expect(await subject.store.saveOffsets([saveOf(consumer, 1n, [7n, 7n])])).toMatchObject([
        { ackedOffset: 2n, ranges: [range(4n, 5n), range(7n, 7n), range(9n, 9n)] },
      ]);
      expect(await subject.store.saveOffsets([saveOf(consumer, 3n)])).toMatchObject([
        { ackedOffset: 5n, ranges: [range(7n, 7n), range(9n, 9n)] },
      ]);
      expect(await subject.store.consumer("ranges")).toMatchObject({ ackedOffset: 5n, ranges: [range(7n, 7n), range(9n, 9n)] });
      expect((await claim("ranges", receiverId)).consumer.ranges).toEqual([range(7n, 7n), range(9n, 9n)]);
    });

    test("moves a consumer with a token of its own, pauses, and deletes it", async () => {
      const { receiverId } = await receiver();
      const { consumer } = await claim("moved", receiverId, 20n);
      await subject.store.saveOffsets([saveOf(consumer, 25n, [30n, 31n])]);
      const moved = await subject.store.moveConsumer("moved", 7n);
      expect(moved).toMatchObject({ ackedOffset: 7n, ranges: [], moves: 1n });
      expect(moved?.sessionToken).toBeGreaterThan(consumer.sessionToken);
      expect(await subject.store.saveOffsets([saveOf(consumer, 40n)])).toEqual([{ kind: "fenced", name: "moved" }]);
      expect(await subject.store.setPaused("moved", "enough")).toBe(true);
      expect((await claim("moved", receiverId)).consumer).toMatchObject({ ackedOffset: 7n, paused: "enough", moves: 1n });
      expect(await subject.store.setPaused("moved", undefined)).toBe(true);
      const deleted = await subject.store.deleteConsumer("moved");
      expect(deleted).toMatchObject({ name: "moved", paused: undefined });
      // W6: a token of a name only grows, also after delete and re-create.
      const again = (await claim("moved", receiverId)).consumer;
      expect(again).toMatchObject({ ackedOffset: 0n, moves: 0n });
      expect(again.sessionToken).toBeGreaterThan(deleted?.sessionToken ?? 0n);
      expect(await subject.store.moveConsumer("nobody", 1n)).toBeUndefined();
      expect(await subject.store.setPaused("nobody", "x")).toBe(false);
      expect(await subject.store.deleteConsumer("nobody")).toBeUndefined();
    });

    test("migrates a consumer to another receiver in one step, fenced by its token, and not while events of it are parked", async () => {
      const [one, two] = [await receiver(), await receiver()];
      const { consumer } = await claim("migrates", one.receiverId, 5n);
      const { store } = subject;
      const migration = {
        name: "migrates",
        fromReceiverId: one.receiverId,
        sessionToken: consumer.sessionToken,
        toReceiverId: two.receiverId,
        ackedOffset: 70n,
        ranges: [range(73n, 75n)],
      };
      const parked = { name: "migrates", sessionToken: consumer.sessionToken, offset: 9n, reason: "r", attempts: 1 };
      await store.park({ ...parked, recordedAt: 0, bytes: new Uint8Array([1]) });
      expect(await store.migrateConsumer(migration)).toEqual({ kind: "parked", count: 1n });
      expect(await store.consumer("migrates")).toMatchObject({ receiverId: one.receiverId, ackedOffset: 5n, ranges: [range(9n, 9n)] });
      await store.discardParked("migrates", undefined, false);
      expect(await store.migrateConsumer({ ...migration, sessionToken: consumer.sessionToken - 1n })).toEqual({ kind: "changed" });
      expect(await store.migrateConsumer({ ...migration, name: "nobody" })).toEqual({ kind: "changed" });
      const three = await receiver();
      await store.markReady(three.receiverId, 0);
      expect(await store.retire(three.receiverId, 0)).toBe(true);
      expect(await store.migrateConsumer({ ...migration, toReceiverId: three.receiverId })).toEqual({ kind: "retired" });
      const migrated = await store.migrateConsumer(migration);
      expect(migrated.kind === "migrated" && migrated.consumer.sessionToken > consumer.sessionToken).toBe(true);
      expect(migrated).toMatchObject({
        kind: "migrated",
        consumer: { receiverId: two.receiverId, ackedOffset: 70n, ranges: [range(73n, 75n)], moves: 1n, createdAt: consumer.createdAt },
      });
      // W6: acks of the session before count no more, and a second migration finds it gone.
      expect(await store.saveOffsets([saveOf(consumer, 99n)])).toEqual([{ kind: "fenced", name: "migrates" }]);
      expect(await store.migrateConsumer(migration)).toEqual({ kind: "changed" });
      expect((await claim("migrates", two.receiverId)).consumer).toMatchObject({ ackedOffset: 70n, ranges: [range(73n, 75n)] });
    });

    test("loads everything it was given, names verbatim", async () => {
      const row = await receiver();
      const names = ["__proto__", "constructor", "' OR 1=1 --", "é", "e\u0301", "漢字", "A", "a"];
      for (const each of names) await claim(each, row.receiverId, 3n);
      const { receivers, consumers } = await subject.store.load();
      expect(receivers).toContainEqual(row);
      const mine = consumers.filter(({ receiverId }) => receiverId === row.receiverId);
      expect(mine.map((each) => each.name).toSorted()).toEqual(names.toSorted());
      expect(await subject.store.consumer("no such name")).toBeUndefined();
    });

    describeParking(() => subject.store, receiver);
    describeLifetimes(() => subject.store, receiver);
  });
}
