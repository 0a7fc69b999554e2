import type { AppendResult, Claim, KnownEvent } from "@warren/event-store";
import { lastOffsetOf, type EncodedBatch, type EventSlice, type Offset } from "@warren/protocol";
import { joinSlices } from "@warren/protocol";
import { rule } from "./violation.ts";

interface ConsumerRow {
  acked: Offset;
  token: bigint;
}

/** PostgreSQL as the rules need it: one log, compare-and-append, unique event keys, consumer rows. Written apart from the memory twin, as its judge. */
export class SimDatabase {
  readonly segments: EncodedBatch[] = [];
  /** Event ids by offset - 1. */
  readonly ids: string[] = [];
  readonly #offsets = new Map<string, Offset>();
  readonly consumers = new Map<string, ConsumerRow>();
  epoch = 0n;
  #tokens = 0n;

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

  append(epoch: bigint, head: Offset, events: readonly EventSlice[]): AppendResult {
    if (epoch !== this.epoch) return { kind: "fenced" };
    if (head !== this.head) return { kind: "head-moved", headOffset: this.head };
    const known = this.known(events);
    if (known.length > 0) return { kind: "known", known };
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

  claimName(name: string): { readonly token: bigint; readonly acked: Offset; readonly resumed: boolean } {
    this.#tokens += 1n;
    const row = this.consumers.get(name) ?? { acked: 0n, token: 0n };
    const resumed = this.consumers.has(name);
    this.consumers.set(name, row);
    row.token = this.#tokens;
    return { token: row.token, acked: row.acked, resumed };
  }

  /** W13: monotone, fenced by token. */
  save(name: string, token: bigint, offset: Offset): Offset | "fenced" {
    const row = this.consumers.get(name);
    if (row === undefined || row.token !== token) return "fenced";
    if (offset > row.acked) row.acked = offset;
    return row.acked;
  }

  stored(id: string): boolean {
    return this.#offsets.has(id);
  }
}
