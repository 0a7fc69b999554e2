import { lastOffsetOf, must, type EncodedBatch, type Offset } from "@warren/protocol";

/**
 * Consecutive segments of one log, small ones, in memory that they share: a segment of one event takes four times as much by itself as its event has, in objects that a collector
 * of garbage has to move. They come out as they went in; their bytes are those of all of them, not copied.
 */
export class PackedSegments {
  readonly #first: Offset;
  readonly #bytes: Uint8Array;
  /** Of all events, counted from the beginning of `#bytes`. */
  readonly #eventEnds: Uint32Array;
  /** How many events there are up to and with each segment. */
  readonly #counts: Uint32Array;
  readonly #recordedAt: Float64Array;
  /** Segments before this one are not held any more. */
  #start = 0;
  /** Who is behind by so much reads it for each of its consumers: that one object is the same for all lets a frame be encoded once. */
  #found: EncodedBatch | undefined;

  /** Copies. At least one segment, each following the one before. */
  constructor(segments: readonly EncodedBatch[]) {
    this.#first = must(segments[0], "nothing is packed").firstOffset;
    this.#bytes = new Uint8Array(segments.reduce((sum, { bytes }) => sum + bytes.length, 0));
    this.#eventEnds = new Uint32Array(segments.reduce((sum, { count }) => sum + count, 0));
    this.#counts = new Uint32Array(segments.length);
    this.#recordedAt = Float64Array.from(segments, ({ recordedAt }) => recordedAt);
    let [events, end] = [0, 0];
    for (const [index, { bytes, eventEnds, count }] of segments.entries()) {
      this.#bytes.set(bytes, end);
      for (let i = 0; i < count; i += 1) this.#eventEnds[events + i] = end + at(eventEnds, i);
      events += count;
      end += bytes.length;
      this.#counts[index] = events;
    }
  }

  /** Of the first segment that is held. */
  get firstOffset(): Offset {
    return this.#first + BigInt(this.#eventsBefore(this.#start));
  }

  get lastOffset(): Offset {
    return this.#first + BigInt(this.#eventEnds.length - 1);
  }

  /** Segments that end below an offset are not held any more. The last one stays: who has none left has no use for this. */
  cut(beforeOffset: Offset): void {
    while (this.#start < this.#counts.length - 1 && this.#first + BigInt(at(this.#counts, this.#start)) <= beforeOffset) this.#start += 1;
  }

  /** The segment that holds `offset`, or undefined. */
  find(offset: Offset): EncodedBatch | undefined {
    if (offset < this.firstOffset || offset > this.lastOffset) return undefined;
    const found = this.#found;
    if (found !== undefined && offset >= found.firstOffset && offset <= lastOffsetOf(found)) return found;
    const event = Number(offset - this.#first);
    let [low, high] = [this.#start, this.#counts.length - 1];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (event < at(this.#counts, middle)) high = middle;
      else low = middle + 1;
    }
    this.#found = this.#segment(low);
    return this.#found;
  }

  #segment(index: number): EncodedBatch {
    const before = this.#eventsBefore(index);
    const after = at(this.#counts, index);
    const from = before === 0 ? 0 : at(this.#eventEnds, before - 1);
    return {
      firstOffset: this.#first + BigInt(before),
      count: after - before,
      bytes: this.#bytes.subarray(from, at(this.#eventEnds, after - 1)),
      eventEnds: this.#eventEnds.slice(before, after).map((end) => end - from),
      recordedAt: at(this.#recordedAt, index),
    };
  }

  #eventsBefore(index: number): number {
    return index === 0 ? 0 : at(this.#counts, index - 1);
  }
}

function at(values: Uint32Array | Float64Array, index: number): number {
  return must(values[index], "a place in packed segments is one of theirs");
}
