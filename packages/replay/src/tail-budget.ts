/** Who holds segments. */
export interface TailHolder {
  /** The oldest segment that it holds has to go, before anything else happens. */
  evict(): void;
}

/** What a holder has of the budget for one segment, or for several that go together: its place in the row of all of them, oldest first. */
export interface TailLease {
  readonly bytes: number;
  readonly holder: TailHolder;
  previous: TailLease | undefined;
  next: TailLease | undefined;
}

/**
 * Bytes of newest segments that all receivers of a process hold together (W8). When more is held, the oldest go first, whosever they are: a receiver that stores much
 * has a long tail while others are quiet, and a thousand receivers cost no more than one. Not safe to share between processes.
 */
export class TailBudget {
  readonly #maxBytes: number;
  readonly #overheadBytes: number;
  #total = 0;
  #oldest: TailLease | undefined;
  #newest: TailLease | undefined;

  /** `maxBytes`: the segment that was added last is always held, even when larger. `overheadBytes`: what each segment takes besides its bytes. Default 0. */
  constructor(maxBytes: number, overheadBytes = 0) {
    this.#maxBytes = maxBytes;
    this.#overheadBytes = overheadBytes;
  }

  /** Bytes held now. */
  get total(): number {
    return this.#total;
  }

  /** One more segment of a holder. Older ones, of this holder or of others, may be evicted by this call, never itself. */
  hold(segmentBytes: number, holder: TailHolder): TailLease {
    const bytes = segmentBytes + this.#overheadBytes;
    const held: TailLease = { bytes, holder, previous: this.#newest, next: undefined };
    if (this.#newest === undefined) this.#oldest = held;
    else this.#newest.next = held;
    this.#newest = held;
    this.#total += bytes;
    for (let oldest = this.#oldest; this.#total > this.#maxBytes && oldest !== undefined && oldest !== held; oldest = this.#oldest) {
      this.#remove(oldest);
      oldest.holder.evict();
    }
    return held;
  }

  /** A segment is not held any more. Twice, or after it was evicted: nothing. */
  release(lease: TailLease): void {
    this.#remove(lease);
  }

  #remove(held: TailLease): void {
    const { previous, next } = held;
    const linked = previous === undefined ? this.#oldest === held : previous.next === held;
    if (!linked) return;
    if (previous === undefined) this.#oldest = next;
    else previous.next = next;
    if (next === undefined) this.#newest = previous;
    else next.previous = previous;
    held.previous = undefined;
    held.next = undefined;
    this.#total -= held.bytes;
  }
}
