import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StateStore } from "../state-store.ts";

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
      const save = (consumer: typeof a, ackedOffset: bigint) => ({ name: consumer.name, sessionToken: consumer.sessionToken, ackedOffset });
      expect(await subject.store.saveOffsets([save(a, 5n), save(b, 7n)])).toEqual([
        { kind: "saved", name: "save-a", ackedOffset: 5n },
        { kind: "saved", name: "save-b", ackedOffset: 7n },
      ]);
      expect(await subject.store.saveOffsets([save(a, 3n)])).toEqual([{ kind: "saved", name: "save-a", ackedOffset: 5n }]);
      const newer = (await claim("save-a", receiverId)).consumer;
      expect(newer.ackedOffset).toBe(5n);
      expect(await subject.store.saveOffsets([save(a, 9n), save(b, 8n)])).toEqual([
        { kind: "fenced", name: "save-a" },
        { kind: "saved", name: "save-b", ackedOffset: 8n },
      ]);
      expect((await subject.store.consumer("save-a"))?.ackedOffset).toBe(5n);
      expect(await subject.store.saveOffsets([{ name: "nobody", sessionToken: 1n, ackedOffset: 1n }])).toEqual([
        { kind: "fenced", name: "nobody" },
      ]);
      expect(await subject.store.saveOffsets([])).toEqual([]);
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
  });
}
