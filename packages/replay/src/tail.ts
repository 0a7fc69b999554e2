import { assert, lastOffsetOf, type EncodedBatch, type Offset } from "@warren/protocol";
import { PackedSegments } from "./packed-segments.ts";
import type { TailBudget, TailHolder, TailLease } from "./tail-budget.ts";

/** Places of dropped segments stay until there are so many, and as many as of those held: to close the gap moves all that are held. */
const leastGap = 1_024;

/** Segments of so many bytes stay what they are. */
const smallBytes = 4_096;

/** At 1,000 a second so many small ones are too young for a collector of garbage to have moved them. */
const defaultPackedTogether = 64;

/**
 * The newest segments of one log, in memory, as many as the budget of all receivers allows. Live consumers read here; who needs something older reads the log.
 * **Invariant:** segments are consecutive and end at the head. Not safe to share between receivers.
 */
export class Tail implements TailHolder {
  readonly #budget: TailBudget;
  readonly #shortened: () => void;
  readonly #packedTogether: number;
  /** Held from `#start` on: of small segments there are tens of thousands, and each new one lets the oldest go. */
  #segments: (EncodedBatch | PackedSegments | undefined)[] = [];
  #leases: (TailLease | undefined)[] = [];
  #start = 0;
  /** How many at the end are small and not packed yet. */
  #small = 0;
  #head: Offset;
  #pushing = false;

  /**
   * `shortened`: segments went because another tail needed the budget, so `first` is another one. Called synchronously, while that one is pushed to; must not throw.
   * `packedTogether`: so many small segments share memory, and go together. Default 64.
   */
  constructor(head: Offset, budget: TailBudget, shortened: () => void, packedTogether = defaultPackedTogether) {
    this.#head = head;
    this.#budget = budget;
    this.#shortened = shortened;
    this.#packedTogether = packedTogether;
  }

  get head(): Offset {
    return this.#head;
  }

  /** Oldest offset held; head + 1n when nothing is. */
  get first(): Offset {
    return this.#segments[this.#start]?.firstOffset ?? this.#head + 1n;
  }

  /** The last segment held. */
  get newest(): EncodedBatch | undefined {
    const last = this.#segments.at(-1);
    // What was pushed last is never packed yet.
    return last instanceof PackedSegments ? undefined : last;
  }

  /** Adds the segment that follows the head; the oldest ones above the budget go, of this tail or of others. */
  push(segment: EncodedBatch): void {
    assert(segment.firstOffset === this.#head + 1n, () => `segment ${segment.firstOffset} does not follow head ${this.#head}`);
    const isSmall = segment.bytes.length < smallBytes;
    if (this.#small >= this.#packedTogether || (!isSmall && this.#small > 1)) this.#pack();
    this.#head = lastOffsetOf(segment);
    // Before it is added: older ones of these may go with that.
    this.#small = isSmall ? this.#small + 1 : 0;
    this.#add(segment, segment.bytes.length);
  }

  /** The budget needs what the oldest segment takes. */
  evict(): void {
    this.#drop(1);
    if (!this.#pushing) this.#shortened();
  }

  /** Drops whole segments below an offset: the log does not have them any more either. */
  cut(beforeOffset: Offset): void {
    const kept = this.#segments.findIndex((segment) => segment !== undefined && endOf(segment) >= beforeOffset);
    this.#drop((kept < 0 ? this.#segments.length : kept) - this.#start);
    const oldest = this.#segments[this.#start];
    if (oldest instanceof PackedSegments) oldest.cut(beforeOffset);
  }

  /** The head moved by a segment that is not at hand: what was held no longer ends at the head. A lower head changes nothing. */
  advance(head: Offset): void {
    if (head <= this.#head) return;
    this.clear();
    this.#head = head;
  }

  /** Holds nothing any more. */
  clear(): void {
    this.#drop(this.#segments.length - this.#start);
  }

  /** The segment that holds `offset`, or undefined. */
  find(offset: Offset): EncodedBatch | undefined {
    let low = this.#start;
    let high = this.#segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const segment = this.#segments[middle];
      if (segment === undefined) return undefined;
      if (offset < segment.firstOffset) high = middle - 1;
      else if (offset > endOf(segment)) low = middle + 1;
      else return segment instanceof PackedSegments ? segment.find(offset) : segment;
    }
    return undefined;
  }

  #add(segment: EncodedBatch | PackedSegments, bytes: number): void {
    this.#segments.push(segment);
    this.#pushing = true;
    const lease = this.#budget.hold(bytes, this);
    this.#pushing = false;
    this.#leases.push(lease);
  }

  /** What is small at the end becomes one; for the budget it is as young as the newest of it. Frees more than it takes: nobody is evicted. */
  #pack(): void {
    const first = this.#segments.length - this.#small;
    const small = this.#segments.splice(first) as EncodedBatch[];
    for (const lease of this.#leases.splice(first)) if (lease !== undefined) this.#budget.release(lease);
    this.#small = 0;
    this.#add(
      new PackedSegments(small),
      small.reduce((sum, { bytes }) => sum + bytes.length, 0),
    );
  }

  #drop(count: number): void {
    const end = this.#start + count;
    for (let i = this.#start; i < end; i += 1) {
      const lease = this.#leases[i];
      if (lease !== undefined) this.#budget.release(lease);
      this.#segments[i] = undefined;
      this.#leases[i] = undefined;
    }
    this.#start = end;
    this.#small = Math.min(this.#small, this.#segments.length - end);
    if (end < leastGap || end < this.#segments.length / 2) return;
    this.#segments = this.#segments.slice(end);
    this.#leases = this.#leases.slice(end);
    this.#start = 0;
  }
}

function endOf(segment: EncodedBatch | PackedSegments): Offset {
  return segment instanceof PackedSegments ? segment.lastOffset : lastOffsetOf(segment);
}
