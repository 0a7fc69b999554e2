import { keepEverything, type LifetimeStore } from "../lifetime-store.ts";
import type { ConsumerRow, ReceiverRow } from "../state-store.ts";

/** What lifetimes share with the state in memory. */
export interface MemoryLifetimesDeps {
  readonly receivers: Map<bigint, ReceiverRow>;
  readonly consumers: Map<string, ConsumerRow>;
  readonly forget: (name: string) => ConsumerRow | undefined;
  readonly now: () => number;
}

/** Lifetimes of the state in memory. */
export interface MemoryLifetimes {
  readonly store: LifetimeStore;
  /** Undefined: awake. */
  readonly asleepSince: Map<string, number>;
  newReceiver(row: Omit<ReceiverRow, "retention">): ReceiverRow;
}

/** Who sleeps since when, and who is used. */
export function createMemoryLifetimes({ receivers, consumers, forget, now }: MemoryLifetimesDeps): MemoryLifetimes {
  const asleepSince = new Map<string, number>();
  const usedAt = new Map<bigint, number>();
  const of = (receiverId: bigint): readonly ConsumerRow[] => [...consumers.values()].filter((row) => row.receiverId === receiverId);

  const store: LifetimeStore = {
    async setRetention(receiverId, retention) {
      const row = receivers.get(receiverId);
      if (row === undefined) return undefined;
      const changed = { ...row, retention };
      receivers.set(receiverId, changed);
      return changed;
    },
    async setExpiry(name, expireAfterMs) {
      const row = consumers.get(name);
      if (row !== undefined) consumers.set(name, { ...row, expireAfterMs });
      return row !== undefined;
    },
    async markAsleep(receiverId, sleepers) {
      for (const { name, sessionToken } of of(receiverId)) {
        const meant = sleepers === "all" || sleepers.some((each) => each.name === name && each.sessionToken === sessionToken);
        if (meant && !asleepSince.has(name)) asleepSince.set(name, now());
      }
    },
    readers: async (receiverId) => of(receiverId).map(({ name, ackedOffset }) => ({ name, ackedOffset, asleep: asleepSince.has(name) })),
    async expireConsumers(receiverId) {
      return of(receiverId).flatMap((row) => {
        const since = asleepSince.get(row.name);
        if (since === undefined || row.expireAfterMs === undefined || since + row.expireAfterMs > now()) return [];
        return forget(row.name) === undefined ? [] : [row];
      });
    },
    async markUsed(receiverId) {
      usedAt.set(receiverId, now());
    },
    async retire(receiverId, unusedMs) {
      const row = receivers.get(receiverId);
      if (row === undefined || row.phase === "retiring") return row !== undefined;
      if (row.phase !== "ready" || (usedAt.get(receiverId) ?? 0) + unusedMs > now() || of(receiverId).length > 0) return false;
      receivers.set(receiverId, { ...row, phase: "retiring" });
      return true;
    },
    async removeReceiver(receiverId) {
      if (receivers.get(receiverId)?.phase === "retiring") receivers.delete(receiverId);
    },
  };
  return {
    store,
    asleepSince,
    newReceiver(row) {
      usedAt.set(row.receiverId, now());
      return { ...row, retention: keepEverything };
    },
  };
}
