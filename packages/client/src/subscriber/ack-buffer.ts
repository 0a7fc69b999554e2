import type { Offset, OffsetRange } from "@warren/protocol";

/** What the application is done with and the session was not told yet: events are done one by one, and told in stretches. */
export class AckBuffer {
  #moves = 0n;
  #stretches: OffsetRange[] = [];
  /** The stretch that grows now. */
  #first: Offset = 0n;
  #last: Offset = 0n;

  /** Whether there is room for one of that session: what is there is of the same one. */
  takes(moves: bigint): boolean {
    return this.#last === 0n || moves === this.#moves;
  }

  /** `moves`: of the session in which it was received. */
  add(offset: Offset, moves: bigint): void {
    if (this.#last !== 0n && offset === this.#last + 1n) {
      this.#last = offset;
      return;
    }
    if (this.#last !== 0n) this.#stretches.push({ first: this.#first, last: this.#last });
    this.#moves = moves;
    this.#first = offset;
    this.#last = offset;
  }

  /** All of it, in ascending order; nothing is left. Undefined: there is nothing. */
  take(): { readonly kind: "done"; readonly ranges: readonly OffsetRange[]; readonly moves: bigint } | undefined {
    if (this.#last === 0n) return undefined;
    const stretches = [...this.#stretches, { first: this.#first, last: this.#last }];
    this.#stretches = [];
    this.#last = 0n;
    return { kind: "done", ranges: stretches.length === 1 ? stretches : joined(stretches), moves: this.#moves };
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
