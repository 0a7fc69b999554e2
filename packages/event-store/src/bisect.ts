import type { EventSlice, QuarantinedEvent } from "@warren/protocol";

/** What one append stores. */
export interface Storable {
  readonly events: readonly EventSlice[];
  readonly quarantined: readonly QuarantinedEvent[];
}

/** Two parts of what was refused, in order; undefined when it holds one thing. Whatever else `batch` has stands in both. */
export function halve<T extends Storable>(batch: T): readonly [T, T] | undefined {
  const { events, quarantined } = batch;
  if (events.length + quarantined.length < 2) return undefined;
  if (events.length > 0 && quarantined.length > 0)
    return [
      { ...batch, quarantined: [] },
      { ...batch, events: [] },
    ];
  const [e, q] = [Math.ceil(events.length / 2), Math.ceil(quarantined.length / 2)];
  return [
    { ...batch, events: events.slice(0, e), quarantined: quarantined.slice(0, q) },
    { ...batch, events: events.slice(e), quarantined: quarantined.slice(q) },
  ];
}

/** A single thing that was refused, as quarantine; what was refused even there, bare: its reason, and no value of it. Undefined: it is bare already. */
export function setAside<T extends Storable>(batch: T, detail: string): T | undefined {
  const [event] = batch.events;
  if (event !== undefined) {
    const { bytes, source, id, type } = event;
    return { ...batch, events: [], quarantined: [{ reason: "refused", detail, bytes, source, id, type }] };
  }
  const [aside] = batch.quarantined;
  if (aside === undefined) return undefined;
  const { bytes, source, id, type } = aside;
  if (bytes.length === 0 && [source, id, type].every((value) => value === undefined)) return undefined;
  const bare = { reason: aside.reason, detail: `${aside.detail}; its ${bytes.length} bytes were refused too`, bytes: new Uint8Array() };
  return { ...batch, quarantined: [bare] };
}
