/**
 * Tommy Ettinger's mulberry32: 32 bits of state, small, fast, and the same sequence for the same seed everywhere. It is seeded anew for each step, so that a step of
 * a run draws the same whatever steps before it were left out: that is what lets a failing run be shrunk.
 */
export class Prng {
  #state = 0;

  constructor(seed: number) {
    this.seed(seed, 0);
  }

  /** From here on draws what step `step` of run `seed` draws. */
  seed(seed: number, step: number): void {
    // Neighbouring seeds and steps must not draw alike: both are mixed as murmur3 ends.
    let mixed = Math.imul(seed ^ (seed >>> 16), 0x85ebca6b) ^ Math.imul(step + 1, 0x9e3779b1);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    this.#state = mixed ^ (mixed >>> 16);
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  pick<T>(values: readonly T[]): T | undefined {
    return values[this.below(values.length)];
  }
}
