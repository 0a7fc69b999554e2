import type { AppendResult, Claim, KnownEvent, LogSizes, MissedGap, PrunedGap, ReadResult } from "@warren/event-store";
import { joinSlices, lastOffsetOf, type EncodedBatch, type EventSlice, type Offset, type QuarantinedEvent } from "@warren/protocol";
import { sameBytes, setAside, simSlice, type SimSlice } from "./sim-event.ts";
import { rule } from "./violation.ts";

/** One receiver's log in PostgreSQL, as the rules need it: compare-and-append, unique event keys, pruning. Written apart from the memory twin, as its judge. */
export class SimLog {
  /** By offset - 1; also of what was pruned. */
  readonly slices: SimSlice[] = [];
  readonly segments: EncodedBatch[] = [];
  /** Keys of what was set aside, by the world's and by the sender's word. */
  readonly aside = new Set<string>();
  readonly missed: MissedGap[] = [];
  epoch = 0n;
  oldest: Offset = 1n;
  #pruned: PrunedGap | undefined;
  /** Offset by event id, while it is kept. */
  readonly #keys = new Map<string, Offset>();
  readonly #copies = new Set<number>();
  readonly #prunedIds = new Set<string>();
  readonly #seqs = new Map<string, number>();
  readonly #ordered: boolean;
  /** Messages whose place among those of their publisher is open: they left their window without a confirm, or passed while the queue was not there. */
  readonly unplaced = new Set<string>();

  constructor(ordered: boolean) {
    this.#ordered = ordered;
  }

  get head(): Offset {
    return BigInt(this.slices.length);
  }

  claim(): Claim {
    this.epoch += 1n;
    return this.status();
  }

  status(): Claim {
    return { epoch: this.epoch, headOffset: this.head, oldestOffset: this.oldest, logId: "log" };
  }

  known(events: readonly EventSlice[]): readonly KnownEvent[] {
    return events.flatMap(({ id, bytes }, index) => {
      const offset = this.#keys.get(id);
      if (offset === undefined) return [];
      return [{ index, offset, sameContent: sameBytes(bytes, this.at(offset).bytes) }];
    });
  }

  append(epoch: bigint, head: Offset, events: readonly EventSlice[], quarantined: readonly QuarantinedEvent[]): AppendResult {
    if (epoch !== this.epoch) return { kind: "fenced" };
    if (head !== this.head) return { kind: "head-moved", headOffset: this.head };
    const known = this.known(events);
    if (known.length > 0) return { kind: "known", known };
    if (events.some((event) => simSlice(event).event.poison)) return { kind: "refused", detail: "simulated" };
    for (const each of quarantined) setAside(this.aside, each);
    if (events.length === 0) return { kind: "appended", segment: undefined };
    const { bytes, eventEnds } = joinSlices(events);
    const segment: EncodedBatch = { firstOffset: this.head + 1n, count: events.length, bytes, eventEnds, recordedAt: 0 };
    for (const event of events) this.#store(simSlice(event));
    this.segments.push(segment);
    return { kind: "appended", segment };
  }

  #store(slice: SimSlice): void {
    const { id, publisher, seq } = slice;
    rule(!this.#keys.has(id), `W3: ${id} is stored twice`);
    // Once an event is pruned, sending it again stores it again; what RabbitMQ delivers again never is.
    rule(!this.#copies.has(slice.copy), `W3: ${id} was delivered twice and is stored twice`);
    const newest = this.#seqs.get(publisher) ?? 0;
    if (this.#ordered && !this.unplaced.has(`${publisher} ${seq}`) && !this.#prunedIds.has(id)) {
      rule(seq >= newest, `W3: message ${seq} of ${publisher} is stored after its message ${newest}`);
      this.#seqs.set(publisher, seq);
    }
    this.#copies.add(slice.copy);
    this.slices.push(slice);
    this.#keys.set(id, this.head);
  }

  /** Reads as the event log does: never past the head, never "nothing". */
  read(after: Offset, count: number): ReadResult {
    rule(after < this.head, `W5: read after ${after}, but the head is ${this.head}`);
    if (after + 1n < this.oldest && this.#pruned !== undefined) return { kind: "pruned", gap: this.#pruned };
    const first = this.segments.findIndex((segment) => lastOffsetOf(segment) > after);
    return { kind: "segments", segments: this.segments.slice(first, first + count) };
  }

  sizes(): LogSizes {
    const segments = this.segments.map((segment) => ({
      firstOffset: segment.firstOffset,
      lastOffset: lastOffsetOf(segment),
      bytes: segment.bytes.length,
      recordedAt: segment.recordedAt,
    }));
    return { keptBytes: segments.reduce((sum, { bytes }) => sum + bytes, 0), segments };
  }

  /** False: another writer has the log. */
  prune(epoch: bigint, before: Offset): boolean {
    if (epoch !== this.epoch) return false;
    while (this.segments[0] !== undefined && lastOffsetOf(this.segments[0]) < before) {
      const { firstOffset, count } = this.segments[0];
      for (let offset = firstOffset; offset < firstOffset + BigInt(count); offset += 1n) {
        const { id } = this.at(offset);
        this.#keys.delete(id);
        this.#prunedIds.add(id);
      }
      this.segments.shift();
      this.oldest = firstOffset + BigInt(count);
      this.#pruned = { kind: "pruned", firstOffset: 1n, lastOffset: this.oldest - 1n, reason: "simulated" };
    }
    return true;
  }

  /** Undefined: another writer has the log. */
  recordMissed(epoch: bigint): MissedGap | undefined {
    if (epoch !== this.epoch) return undefined;
    const gap: MissedGap = { kind: "missed", afterOffset: this.head, fromTime: 0, toTime: 0, reason: "simulated" };
    this.missed.push(gap);
    return gap;
  }

  at(offset: Offset): SimSlice {
    const slice = this.slices[Number(offset) - 1];
    rule(slice !== undefined, `W1: offset ${offset} is not stored`);
    return slice;
  }

  /** One event, as it is kept when it is parked. */
  event(offset: Offset): EncodedBatch {
    const { bytes } = this.at(offset);
    return { firstOffset: offset, count: 1, bytes, eventEnds: Uint32Array.of(bytes.length), recordedAt: 0 };
  }

  /** In the log (now or once), or set aside. */
  kept(slice: SimSlice): boolean {
    const offset = this.#keys.get(slice.id);
    if (offset !== undefined && sameBytes(this.at(offset).bytes, slice.bytes)) return true;
    return this.#prunedIds.has(slice.id) || this.aside.has(slice.event.key);
  }
}
