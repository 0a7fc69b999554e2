import { assert, lastOffsetOf, type EncodedBatch, type Offset } from "@warren/protocol";

/**
 * The newest segments of one log, in memory, bounded by bytes. Live consumers read here; who needs something older reads the log.
 * **Invariant:** segments are consecutive and end at the head. Not safe to share between receivers.
 */
export class Tail {
  readonly #maxBytes: number;
  #segments: EncodedBatch[] = [];
  #bytes = 0;
  #head: Offset;

  /** `maxBytes`: the newest segment is always kept, even when larger. */
  constructor(head: Offset, maxBytes: number) {
    this.#head = head;
    this.#maxBytes = maxBytes;
  }

  get head(): Offset {
    return this.#head;
  }

  /** Oldest offset held; head + 1n when nothing is. */
  get first(): Offset {
    return this.#segments[0]?.firstOffset ?? this.#head + 1n;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds the segment that follows the head; drops the oldest ones above the bound. */
  push(segment: EncodedBatch): void {
    assert(segment.firstOffset === this.#head + 1n, `segment ${segment.firstOffset} does not follow head ${this.#head}`);
    this.#segments.push(segment);
    this.#bytes += segment.bytes.length;
    this.#head = lastOffsetOf(segment);
    this.#drop((_, rest) => this.#bytes > this.#maxBytes && rest > 0);
  }

  /** Drops whole segments below an offset: the log does not have them any more either. */
  cut(beforeOffset: Offset): void {
    this.#drop((oldest) => lastOffsetOf(oldest) < beforeOffset);
  }

  /** The head moved by a segment that is not at hand: what was held no longer ends at the head. A lower head changes nothing. */
  advance(head: Offset): void {
    if (head <= this.#head) return;
    this.#segments = [];
    this.#bytes = 0;
    this.#head = head;
  }

  /** Drops from the old end while `goes` says so of the oldest segment, with so many after it. */
  #drop(goes: (oldest: EncodedBatch, rest: number) => boolean): void {
    let drop = 0;
    for (const segment of this.#segments) {
      if (!goes(segment, this.#segments.length - 1 - drop)) break;
      this.#bytes -= segment.bytes.length;
      drop += 1;
    }
    if (drop > 0) this.#segments.splice(0, drop);
  }

  /** The segment that holds `offset`, or undefined. */
  find(offset: Offset): EncodedBatch | undefined {
    let low = 0;
    let high = this.#segments.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const segment = this.#segments[middle];
      if (segment === undefined) return undefined;
      if (offset < segment.firstOffset) high = middle - 1;
      else if (offset > lastOffsetOf(segment)) low = middle + 1;
      else return segment;
    }
    return undefined;
  }
}
