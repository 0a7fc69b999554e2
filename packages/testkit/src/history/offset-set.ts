import type { HistoryRange } from "./history.ts";

/** Offsets: all up to a mark, and some above it. Adding one costs the same however many there are. */
export class OffsetSet {
  #mark: bigint;
  readonly #above = new Set<bigint>();

  constructor(mark = 0n) {
    this.#mark = mark;
  }

  /** All offsets up to and with it are in the set, and the next one is not. */
  get mark(): bigint {
    return this.#mark;
  }

  /** The ones above the mark. */
  get above(): Iterable<bigint> {
    return this.#above;
  }

  has(offset: bigint): boolean {
    return offset <= this.#mark || this.#above.has(offset);
  }

  /** Adds all up to and with `mark`, and the ranges. */
  add(mark: bigint, ranges: readonly HistoryRange[] = []): void {
    for (const { first, last } of ranges) for (let offset = first; offset <= last; offset += 1n) this.#above.add(offset);
    while (this.#mark < mark || this.#above.has(this.#mark + 1n)) {
      this.#mark += 1n;
      this.#above.delete(this.#mark);
    }
  }

  /** The lowest offset above `after` that is not in the set. */
  nextAfter(after: bigint): bigint {
    let next = (after > this.#mark ? after : this.#mark) + 1n;
    while (this.#above.has(next)) next += 1n;
    return next;
  }

  /** The lowest of all up to `mark` and the ranges that is not in the set. */
  missing(mark: bigint, ranges: Iterable<HistoryRange>): bigint | undefined {
    if (this.#mark < mark) return this.#mark + 1n;
    for (const { first, last } of ranges) for (let offset = first; offset <= last; offset += 1n) if (!this.has(offset)) return offset;
    return undefined;
  }
}
