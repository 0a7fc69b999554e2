import type { Offset, OffsetRange } from "@warren/protocol";

/** A batch of events, all of one session. */
export interface AckedBatch {
  readonly firstOffset: Offset;
  /** Of its session. */
  readonly moves: bigint;
}

/** What the application is done with and the session was not told yet: events are done one by one, and told in stretches. */
export class AckBuffer {
  #stretches: OffsetRange[] = [];
  /** The stretch that grows now, by places in a batch: sums of offsets cost more than all the rest of an ack. */
  #batch: AckedBatch | undefined;
  #first = 0;
  #last = 0;

  /** Whether there is room for one of that session: what is there is of the same one. */
  takes(moves: bigint): boolean {
    return this.#batch === undefined || moves === this.#batch.moves;
  }

  /** `index`: in the batch. */
  add(batch: AckedBatch, index: number): void {
    if (this.#batch === batch && index === this.#last + 1) {
      this.#last = index;
      return;
    }
    if (this.#batch !== undefined) this.#stretches.push(this.#grown(this.#batch));
    this.#batch = batch;
    this.#first = index;
    this.#last = index;
  }

  /** All of it, in ascending order; nothing is left. Undefined: there is nothing. */
  take(): { readonly kind: "done"; readonly ranges: readonly OffsetRange[]; readonly moves: bigint } | undefined {
    const batch = this.#batch;
    if (batch === undefined) return undefined;
    const stretches = [...this.#stretches, this.#grown(batch)];
    this.#stretches = [];
    this.#batch = undefined;
    return { kind: "done", ranges: stretches.length === 1 ? stretches : joined(stretches), moves: batch.moves };
  }

  #grown({ firstOffset }: AckedBatch): OffsetRange {
    return { first: firstOffset + BigInt(this.#first), last: firstOffset + BigInt(this.#last) };
  }
}

/** Handlers at once are done in any order. */
function joined(stretches: readonly OffsetRange[]): readonly OffsetRange[] {
  const ranges: { first: Offset; last: Offset }[] = [];
  for (const { first, last } of stretches.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const before = ranges.at(-1);
    if (before === undefined || first > before.last + 1n) ranges.push({ first, last });
    else if (last > before.last) before.last = last;
  }
  return ranges;
}
