import { must, raiseMark, settle, type Offset, type Settled } from "@warren/protocol";
import type { ClaimResult, ConsumerRow, OffsetSave, ReceiverConfig, ReceiverRow, SaveResult, StateStore } from "../state-store.ts";
import { createMemoryLifetimes } from "./memory-lifetimes.ts";
import { createMemoryParking } from "./memory-parking.ts";

/** The state in memory, for tests: nothing survives the process. `now`: wall clock, milliseconds. */
export function createMemoryStateStore(now: () => number): StateStore {
  const receivers = new Map<bigint, ReceiverRow>();
  const consumers = new Map<string, ConsumerRow>();
  let tokens = 0n;
  let receiverIds = 0n;
  const nextToken = (): bigint => (tokens += 1n);

  function claim(name: string, receiverId: bigint, startAfter: Offset, expireAfterMs: number | undefined): ClaimResult {
    const existing = consumers.get(name);
    if (existing !== undefined && existing.receiverId !== receiverId) {
      const { config } = must(receivers.get(existing.receiverId), "a consumer's receiver exists");
      return { kind: "other-receiver", consumer: existing, config };
    }
    const phase = receivers.get(receiverId)?.phase;
    if (phase === undefined || phase === "retiring") return { kind: "retired" };
    const sessionToken = nextToken();
    lifetimes.asleepSince.delete(name);
    const consumer: ConsumerRow =
      existing === undefined
        ? {
            name,
            receiverId,
            ackedOffset: startAfter,
            ranges: [],
            sessionToken,
            moves: 0n,
            paused: undefined,
            expireAfterMs,
            createdAt: now(),
          }
        : { ...existing, sessionToken };
    consumers.set(name, consumer);
    return { kind: "claimed", consumer, created: existing === undefined };
  }

  function save({ name, sessionToken, ackedOffset, ranges: added }: OffsetSave): SaveResult {
    const existing = consumers.get(name);
    if (existing === undefined || existing.sessionToken !== sessionToken) return { kind: "fenced", name };
    const start: Settled = { mark: existing.ackedOffset, ranges: existing.ranges };
    const { mark, ranges } = added.reduce(settle, raiseMark(start, ackedOffset));
    consumers.set(name, { ...existing, ackedOffset: mark, ranges });
    return { kind: "saved", name, ackedOffset: mark, ranges };
  }

  const parking = createMemoryParking({ consumers, save, now });
  const lifetimes = createMemoryLifetimes({ receivers, consumers, forget, now });
  function forget(name: string): ConsumerRow | undefined {
    const row = consumers.get(name);
    consumers.delete(name);
    parking.forget(name);
    lifetimes.asleepSince.delete(name);
    return row;
  }
  function update(name: string, change: (row: ConsumerRow) => ConsumerRow): ConsumerRow | undefined {
    const existing = consumers.get(name);
    if (existing === undefined) return undefined;
    const changed = change(existing);
    consumers.set(name, changed);
    return changed;
  }

  return {
    async load() {
      return { receivers: [...receivers.values()], consumers: [...consumers.values()] };
    },
    async ensureReceiver(configKey: string, config: ReceiverConfig) {
      const existing = [...receivers.values()].find((row) => row.configKey === configKey);
      if (existing !== undefined) return existing;
      receiverIds += 1n;
      const row = lifetimes.newReceiver({ receiverId: receiverIds, configKey, config, phase: "creating", completeSince: undefined });
      receivers.set(row.receiverId, row);
      return row;
    },
    async markReady(receiverId, completeSince) {
      const row = must(receivers.get(receiverId), `receiver ${receiverId} has no row`);
      const ready: ReceiverRow = {
        ...row,
        phase: row.phase === "creating" ? "ready" : row.phase,
        completeSince: row.completeSince ?? completeSince,
      };
      receivers.set(receiverId, ready);
      return ready;
    },
    claimConsumer: async (name, receiverId, startAfter, options) => claim(name, receiverId, startAfter, options?.expireAfterMs),
    nextToken: async () => nextToken(),
    saveOffsets: async (saves) => saves.map(save),
    consumers: async (names) => {
      const found = names.map((name) => consumers.get(name)).filter((row) => row !== undefined);
      return new Map(found.map((row) => [row.name, row]));
    },
    consumer: async (name) => consumers.get(name),
    moveConsumer: async (name, ackedOffset) =>
      update(name, (row) => {
        const { mark, ranges } = parking
          .offsets(name)
          .map((offset) => ({ first: offset, last: offset }))
          .reduce(settle, { mark: ackedOffset, ranges: [] });
        if (!lifetimes.asleepSince.has(name)) lifetimes.asleepSince.set(name, now());
        return { ...row, ackedOffset: mark, ranges, sessionToken: nextToken(), moves: row.moves + 1n };
      }),
    async migrateConsumer({ name, fromReceiverId, sessionToken, toReceiverId, ackedOffset, ranges }) {
      const row = consumers.get(name);
      if (row?.receiverId !== fromReceiverId || row.sessionToken !== sessionToken) return { kind: "changed" };
      const phase = receivers.get(toReceiverId)?.phase;
      if (phase === undefined || phase === "retiring") return { kind: "retired" };
      const count = BigInt(parking.offsets(name).length);
      if (count > 0n) return { kind: "parked", count };
      if (!lifetimes.asleepSince.has(name)) lifetimes.asleepSince.set(name, now());
      const place = { receiverId: toReceiverId, ackedOffset, ranges };
      const consumer = must(
        update(name, () => ({ ...row, ...place, sessionToken: nextToken(), moves: row.moves + 1n })),
        "the row is there",
      );
      return { kind: "migrated", consumer };
    },
    setPaused: async (name, reason) => update(name, (row) => ({ ...row, paused: reason })) !== undefined,
    deleteConsumer: async (name) => forget(name),
    ...lifetimes.store,
    ...parking.store,
  };
}
