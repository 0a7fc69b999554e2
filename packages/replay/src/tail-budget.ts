/** A segment in memory, in the row of all of them, oldest first. */
interface Held {
  readonly bytes: number;
  readonly evict: () => void;
  previous: Held | undefined;
  next: Held | undefined;
}

/** What a tail has of the budget for one segment. */
export interface TailLease {
  /** The segment is not held any more. Twice: nothing. */
  release(): void;
}

/**
 * Bytes of newest segments that all receivers of a process hold together (W8). When more is held, the oldest go first, whosever they are: a receiver that stores much
 * has a long tail while others are quiet, and a thousand receivers cost no more than one. Not safe to share between processes.
 */
export class TailBudget {
  readonly #maxBytes: number;
  #total = 0;
  #oldest: Held | undefined;
  #newest: Held | undefined;

  /** `maxBytes`: the segment that was added last is always held, even when larger. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes held now. */
  get total(): number {
    return this.#total;
  }

  /** One more segment. `evict` is called, before anything else happens, when it has to go; older ones may be evicted by this call, never itself. */
  hold(bytes: number, evict: () => void): TailLease {
    const held: Held = { bytes, evict, previous: this.#newest, next: undefined };
    if (this.#newest === undefined) this.#oldest = held;
    else this.#newest.next = held;
    this.#newest = held;
    this.#total += bytes;
    for (let oldest = this.#oldest; this.#total > this.#maxBytes && oldest !== undefined && oldest !== held; oldest = this.#oldest) {
      this.#remove(oldest);
      oldest.evict();
    }
    return { release: () => this.#remove(held) };
  }

  #remove(held: Held): void {
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
