import type { Offset } from "@warren/protocol";
import type { ParkedRow, ParkingStore, RetryingRow } from "../parking-store.ts";
import type { ConsumerRow, OffsetSave, SaveResult } from "../state-store.ts";

/** What parking shares with the state in memory. */
export interface MemoryParkingDeps {
  readonly consumers: ReadonlyMap<string, ConsumerRow>;
  readonly save: (save: OffsetSave) => SaveResult;
  readonly now: () => number;
}

/** Parked events in memory. */
export interface MemoryParking {
  readonly store: ParkingStore;
  offsets(name: string): readonly Offset[];
  forget(name: string): void;
}

/** Parked events of the state in memory. */
export function createMemoryParking({ consumers, save, now }: MemoryParkingDeps): MemoryParking {
  const parked = new Map<string, Map<Offset, ParkedRow>>();
  let deliveries = 0n;
  const of = (name: string): readonly ParkedRow[] =>
    [...(parked.get(name)?.values() ?? [])].toSorted((a, b) => (a.offset < b.offset ? -1 : 1));
  const held = (name: string, token: bigint): boolean => consumers.get(name)?.sessionToken === token;
  const chosen = (name: string, offsets: readonly Offset[] | undefined): readonly ParkedRow[] =>
    of(name).filter(({ offset }) => offsets === undefined || offsets.includes(offset));
  function put(name: string, row: ParkedRow): void {
    const rows = parked.get(name) ?? new Map<Offset, ParkedRow>();
    rows.set(row.offset, row);
    parked.set(name, rows);
  }
  const isRetrying = (row: ParkedRow): row is RetryingRow => row.deliveryId !== undefined;

  const store: ParkingStore = {
    async park({ name, sessionToken, offset, reason, attempts, recordedAt, bytes }) {
      const range = { first: offset, last: offset };
      const saved = save({ name, sessionToken, ackedOffset: 0n, ranges: [range] });
      if (saved.kind === "fenced") return { kind: "fenced" };
      const had = parked.get(name)?.get(offset);
      put(name, {
        offset,
        reason,
        attempts: Math.max(attempts, had?.attempts ?? 0),
        parkedAt: now(),
        recordedAt,
        bytes: bytes.slice(),
        deliveryId: had?.deliveryId,
      });
      return { kind: "parked", ackedOffset: saved.ackedOffset, ranges: saved.ranges };
    },
    async parkAgain({ name, sessionToken, deliveryId, reason, attempts }) {
      if (!held(name, sessionToken)) return false;
      const row = of(name).find((each) => each.deliveryId === deliveryId);
      if (row !== undefined) put(name, { ...row, reason, attempts: row.attempts + attempts, parkedAt: now(), deliveryId: undefined });
      return true;
    },
    async settleRetried(name, sessionToken, deliveryIds) {
      if (!held(name, sessionToken)) return false;
      for (const row of of(name)) if (isRetrying(row) && deliveryIds.includes(row.deliveryId)) parked.get(name)?.delete(row.offset);
      return true;
    },
    retrying: async (name, afterDeliveryId, limit) =>
      of(name)
        .filter(isRetrying)
        .filter(({ deliveryId }) => deliveryId > afterDeliveryId)
        .toSorted((a, b) => (a.deliveryId < b.deliveryId ? -1 : 1))
        .slice(0, limit),
    parked: async (name, afterOffset, limit) =>
      of(name)
        .filter(({ offset }) => offset > afterOffset)
        .slice(0, limit),
    parkedCounts: async () => new Map([...parked].filter(([, rows]) => rows.size > 0).map(([name, rows]) => [name, BigInt(rows.size)])),
    async retryParked(name, offsets, dryRun) {
      const rows = chosen(name, offsets);
      if (!dryRun) for (const row of rows) put(name, { ...row, deliveryId: row.deliveryId ?? (deliveries += 1n) });
      return BigInt(rows.length);
    },
    async discardParked(name, offsets, dryRun) {
      const rows = chosen(name, offsets);
      if (!dryRun) for (const { offset } of rows) parked.get(name)?.delete(offset);
      return BigInt(rows.length);
    },
  };
  return { store, offsets: (name) => of(name).map(({ offset }) => offset), forget: (name) => void parked.delete(name) };
}
