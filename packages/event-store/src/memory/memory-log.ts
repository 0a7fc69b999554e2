import {
  joinSlices,
  lastOffsetOf,
  Limits,
  must,
  sameContent,
  WarrenError,
  type EncodedBatch,
  type EventSlice,
  type Offset,
} from "@warren/protocol";
import type {
  AppendRequest,
  AppendResult,
  Claim,
  KnownEvent,
  LogGap,
  LogSizes,
  MissedGap,
  MissedRequest,
  PruneRequest,
  PruneResult,
  QuarantineRow,
  ReadRequest,
  ReadResult,
} from "../event-log.ts";
import { eventKey } from "../event-key.ts";

/** One receiver's log in memory; every method is one atomic statement. */
export class MemoryLog {
  #epoch = 0n;
  #head: Offset = 0n;
  #oldest: Offset = 1n;
  #logId: string;
  #recordedAt = 0;
  #segments: EncodedBatch[] = [];
  readonly #keys = new Map<string, Offset>();
  readonly #gaps: LogGap[] = [];
  readonly #quarantine = new Map<string, QuarantineRow>();

  constructor(logId: string) {
    this.#logId = logId;
  }

  claim(): Claim {
    this.#epoch += 1n;
    return this.status();
  }

  status(): Claim {
    return { epoch: this.#epoch, headOffset: this.#head, oldestOffset: this.#oldest, logId: this.#logId };
  }

  renew(epoch: bigint, logId: string): string {
    if (epoch !== this.#epoch) throw new WarrenError("FENCED", "another broker owns this receiver's log");
    this.#logId = logId;
    return logId;
  }

  append({ epoch, headOffset, events, quarantined }: AppendRequest, now: number): AppendResult {
    if (epoch !== this.#epoch) return { kind: "fenced" };
    if (headOffset !== this.#head) return { kind: "head-moved", headOffset: this.#head };
    const known = this.known(events);
    if (known.length > 0) return { kind: "known", known };
    for (const each of quarantined) {
      const key = `${each.reason} ${each.detail} ${Buffer.from(each.bytes).toString("base64")}`;
      if (!this.#quarantine.has(key))
        this.#quarantine.set(key, { ...each, quarantineId: BigInt(this.#quarantine.size + 1), recordedAt: now, size: each.bytes.length });
    }
    if (events.length === 0) return { kind: "appended", segment: undefined };
    this.#recordedAt = Math.max(this.#recordedAt, now);
    const segment: EncodedBatch = {
      firstOffset: this.#head + 1n,
      count: events.length,
      ...joinSlices(events),
      recordedAt: this.#recordedAt,
    };
    events.forEach(({ source, id }, index) => this.#keys.set(eventKey(source, id), segment.firstOffset + BigInt(index)));
    this.#segments.push(segment);
    this.#head = lastOffsetOf(segment);
    return { kind: "appended", segment };
  }

  known(events: readonly EventSlice[]): readonly KnownEvent[] {
    return events.flatMap((event, index) => {
      const offset = this.#keys.get(eventKey(event.source, event.id));
      if (offset === undefined) return [];
      const segment = must(
        this.#segments.find((each) => lastOffsetOf(each) >= offset),
        `no segment holds offset ${offset}`,
      );
      const at = Number(offset - segment.firstOffset);
      const stored = segment.bytes.subarray(at === 0 ? 0 : segment.eventEnds[at - 1], segment.eventEnds[at]);
      return [{ index, offset, sameContent: sameContent(stored, event.bytes) }];
    });
  }

  read({ afterOffset, maxEvents, maxBytes }: ReadRequest): ReadResult {
    if (afterOffset >= this.#head)
      throw new WarrenError("OFFSET_OUT_OF_RANGE", `nothing is stored after offset ${afterOffset}; the head is ${this.#head}`);
    if (afterOffset + 1n < this.#oldest) {
      const reason = this.#gaps.find((gap) => gap.kind === "pruned" && gap.lastOffset > afterOffset)?.reason ?? "pruned";
      return { kind: "pruned", gap: { kind: "pruned", firstOffset: afterOffset + 1n, lastOffset: this.#oldest - 1n, reason } };
    }
    const segments: EncodedBatch[] = [];
    let [events, bytes] = [0, 0];
    for (const segment of this.#segments) {
      if (lastOffsetOf(segment) <= afterOffset) continue;
      if (events >= maxEvents || bytes >= maxBytes) break;
      segments.push(segment);
      events += segment.count;
      bytes += segment.bytes.length;
    }
    return { kind: "segments", segments };
  }

  offsetBefore(time: number): Offset {
    const first = this.#segments.find(({ recordedAt }) => recordedAt >= time);
    return first === undefined ? this.#head : first.firstOffset - 1n;
  }

  find(source: string, id: string): Offset | undefined {
    return this.#keys.get(eventKey(source, id));
  }

  sizes(afterOffset: Offset, limit: number): LogSizes {
    const segments = this.#segments
      .filter((segment) => lastOffsetOf(segment) > afterOffset)
      .slice(0, limit)
      .map((segment) => ({
        firstOffset: segment.firstOffset,
        lastOffset: lastOffsetOf(segment),
        bytes: segment.bytes.length,
        recordedAt: segment.recordedAt,
      }));
    return { keptBytes: this.#segments.reduce((sum, { bytes }) => sum + bytes.length, 0), segments };
  }

  prune({ epoch, beforeOffset, reason, maxEvents }: Omit<PruneRequest, "receiverId">): PruneResult {
    if (epoch !== this.#epoch) throw new WarrenError("FENCED", "another broker owns this receiver's log");
    const gone: EncodedBatch[] = [];
    let [events, bytes] = [0, 0];
    for (const segment of this.#segments) {
      if (lastOffsetOf(segment) >= beforeOffset || events >= maxEvents) break;
      gone.push(segment);
      events += segment.count;
      bytes += segment.bytes.length;
    }
    const last = gone.at(-1);
    if (last === undefined) return { oldestOffset: this.#oldest, bytes: 0, more: false };
    const lastOffset = lastOffsetOf(last);
    this.#segments = this.#segments.slice(gone.length);
    for (const [key, offset] of this.#keys) if (offset <= lastOffset) this.#keys.delete(key);
    this.#recordPruned(lastOffset, reason);
    this.#oldest = lastOffset + 1n;
    const next = this.#segments[0];
    return { oldestOffset: this.#oldest, bytes, more: next !== undefined && lastOffsetOf(next) < beforeOffset };
  }

  /** One gap of a reason grows; another reason is another gap. */
  #recordPruned(lastOffset: Offset, reason: string): void {
    const at = this.#gaps.findIndex((gap) => gap.kind === "pruned" && gap.lastOffset === this.#oldest - 1n && gap.reason === reason);
    const before = this.#gaps[at];
    if (before?.kind === "pruned") this.#gaps[at] = { ...before, lastOffset };
    else this.#gaps.push({ kind: "pruned", firstOffset: this.#oldest, lastOffset, reason });
  }

  recordMissed({ epoch, fromTime, toTime, reason }: Omit<MissedRequest, "receiverId">): MissedGap {
    if (epoch !== this.#epoch) throw new WarrenError("FENCED", "another broker owns this receiver's log");
    const gap: MissedGap = { kind: "missed", afterOffset: this.#head, fromTime, toTime, reason };
    this.#gaps.push(gap);
    return gap;
  }

  gaps(afterOffset: Offset): readonly LogGap[] {
    return this.#gaps.filter((gap) => (gap.kind === "pruned" ? gap.lastOffset > afterOffset : gap.afterOffset >= afterOffset));
  }

  quarantined(limit: number): readonly QuarantineRow[] {
    return [...this.#quarantine.values()]
      .toReversed()
      .slice(0, limit)
      .map((row) => ({ ...row, bytes: row.bytes.subarray(0, Limits.quarantineShownBytes) }));
  }
}
