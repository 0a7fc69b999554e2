import type { AppendResult, Claim, KnownEvent } from "@warren/event-store";
import {
  joinSlices,
  lastOffsetOf,
  raiseMark,
  settle,
  type EncodedBatch,
  type EventSlice,
  type Offset,
  type QuarantinedEvent,
  type Settled,
} from "@warren/protocol";
import { rule } from "./violation.ts";

interface ConsumerRow {
  settled: Settled;
  token: bigint;
  /** Delivery ids of parked events by offset; 0n: not retried. */
  readonly parked: Map<Offset, bigint>;
}

/** Every so many events one that the database does not take. */
const poisonEvery = 13;

function isPoison(id: string): boolean {
  return Number(id.slice(1)) % poisonEvery === 0;
}

/** PostgreSQL as the rules need it: one log, compare-and-append, unique event keys, consumer rows. Written apart from the memory twin, as its judge. */
export class SimDatabase {
  readonly segments: EncodedBatch[] = [];
  /** Event ids by offset - 1. */
  readonly ids: string[] = [];
  /** Ids of what was set aside. */
  readonly quarantined = new Set<string>();
  readonly #offsets = new Map<string, Offset>();
  readonly consumers = new Map<string, ConsumerRow>();
  epoch = 0n;
  #tokens = 0n;
  #deliveries = 0n;

  get head(): Offset {
    return BigInt(this.ids.length);
  }

  claim(): Claim {
    this.epoch += 1n;
    return this.status();
  }

  status(): Claim {
    return { epoch: this.epoch, headOffset: this.head, oldestOffset: 1n, logId: "log" };
  }

  known(events: readonly EventSlice[]): readonly KnownEvent[] {
    return events.flatMap(({ id }, index) => {
      const offset = this.#offsets.get(id);
      return offset === undefined ? [] : [{ index, offset, sameContent: true }];
    });
  }

  append(epoch: bigint, head: Offset, events: readonly EventSlice[], quarantined: readonly QuarantinedEvent[]): AppendResult {
    if (epoch !== this.epoch) return { kind: "fenced" };
    if (head !== this.head) return { kind: "head-moved", headOffset: this.head };
    const known = this.known(events);
    if (known.length > 0) return { kind: "known", known };
    if (events.some(({ id }) => isPoison(id))) return { kind: "refused", detail: "simulated" };
    for (const { id = "" } of quarantined) {
      rule(isPoison(id), `W12: ${id} is in quarantine, and nothing is wrong with it`);
      this.quarantined.add(id);
    }
    if (events.length === 0) return { kind: "appended", segment: undefined };
    const { bytes, eventEnds } = joinSlices(events);
    const segment: EncodedBatch = { firstOffset: this.head + 1n, count: events.length, bytes, eventEnds, recordedAt: 0 };
    for (const { id } of events) {
      rule(!this.#offsets.has(id), `W3: ${id} is stored twice`);
      this.ids.push(id);
      this.#offsets.set(id, this.head);
    }
    this.segments.push(segment);
    return { kind: "appended", segment };
  }

  /** Segments that follow `after`, up to `count` of them. */
  read(after: Offset, count: number): readonly EncodedBatch[] {
    const first = this.segments.findIndex((segment) => lastOffsetOf(segment) > after);
    return first < 0 ? [] : this.segments.slice(first, first + count);
  }

  /** One event, as it is kept when it is parked. */
  event(offset: Offset): EncodedBatch {
    const [segment] = this.read(offset - 1n, 1);
    rule(segment !== undefined, `only what is stored can be parked, not ${offset}`);
    const index = Number(offset - segment.firstOffset);
    const bytes = segment.bytes.subarray(index === 0 ? 0 : segment.eventEnds[index - 1], segment.eventEnds[index]);
    return { firstOffset: offset, count: 1, bytes, eventEnds: Uint32Array.of(bytes.length), recordedAt: 0 };
  }

  claimName(name: string): { readonly token: bigint; readonly settled: Settled; readonly resumed: boolean; readonly retrying: boolean } {
    this.#tokens += 1n;
    const row = this.consumers.get(name) ?? { settled: { mark: 0n, ranges: [] }, token: 0n, parked: new Map<Offset, bigint>() };
    const resumed = this.consumers.has(name);
    this.consumers.set(name, row);
    row.token = this.#tokens;
    return { token: row.token, settled: row.settled, resumed, retrying: this.retrying(name, 0n).length > 0 };
  }

  /** W13: monotone, fenced by token. */
  save(name: string, token: bigint, settled: Settled): Settled | "fenced" {
    const row = this.#held(name, token);
    if (row === undefined) return "fenced";
    row.settled = settled.ranges.reduce(settle, raiseMark(row.settled, settled.mark));
    return row.settled;
  }

  park(name: string, token: bigint, offset: Offset): boolean {
    const row = this.#held(name, token);
    if (row === undefined) return false;
    row.settled = settle(row.settled, { first: offset, last: offset });
    row.parked.set(offset, row.parked.get(offset) ?? 0n);
    return true;
  }

  /** An operator has everything parked retried. */
  retry(name: string): void {
    const parked = this.consumers.get(name)?.parked ?? new Map<Offset, bigint>();
    for (const [offset, deliveryId] of parked) if (deliveryId === 0n) parked.set(offset, (this.#deliveries += 1n));
  }

  retrying(name: string, after: bigint): readonly { readonly offset: Offset; readonly deliveryId: bigint }[] {
    return [...(this.consumers.get(name)?.parked ?? [])]
      .map(([offset, deliveryId]) => ({ offset, deliveryId }))
      .filter(({ deliveryId }) => deliveryId > after)
      .toSorted((a, b) => Number(a.deliveryId - b.deliveryId));
  }

  settleRetried(name: string, token: bigint, deliveryIds: readonly bigint[]): boolean {
    const row = this.#held(name, token);
    if (row === undefined) return false;
    for (const [offset, deliveryId] of row.parked) if (deliveryIds.includes(deliveryId)) row.parked.delete(offset);
    return true;
  }

  #held(name: string, token: bigint): ConsumerRow | undefined {
    const row = this.consumers.get(name);
    return row?.token === token ? row : undefined;
  }

  /** In the log, or set aside. */
  kept(id: string): boolean {
    return this.#offsets.has(id) || this.quarantined.has(id);
  }
}
