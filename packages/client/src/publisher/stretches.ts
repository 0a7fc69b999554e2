import { EventEncoder, Limits } from "@warren/protocol";

/** A pack that begins has room for all it may hold, and for one event that does not fit any more. */
const roomBytes = Limits.packBytes + EventEncoder.mostBytes;
/** Small packs lie side by side. */
const stretchBytes = 4 * Limits.packBytes;
/**
 * Kept when nothing is in them: 4 MiB, what some 40 packs under way need. With fewer, a publisher at full speed makes new ones all the time, and V8 goes through its whole
 * heap whenever 64 MiB were made since the last time.
 */
const keptStretches = 16;

/** Memory in which packs lie one after the other. */
export interface Stretch {
  readonly bytes: Uint8Array;
  /** Free from here. */
  at: number;
  /** Packs that are in it. */
  packs: number;
}

/** The memory of one publisher's packs. It is used again when all that was in it is settled: what is made anew for every pack keeps the garbage collector busy. */
export class Stretches {
  #current: Stretch | undefined;
  readonly #free: Stretch[] = [];

  /** Where the next pack begins. */
  hold(): Stretch {
    let stretch = this.#current;
    if (stretch === undefined || stretch.at + roomBytes > stretchBytes) {
      stretch = this.#free.pop() ?? { bytes: new Uint8Array(stretchBytes), at: 0, packs: 0 };
      this.#current = stretch;
    }
    stretch.packs += 1;
    return stretch;
  }

  /** For one event that is larger than a pack may be: its own bytes. */
  around(bytes: Uint8Array): Stretch {
    return { bytes, at: 0, packs: 1 };
  }

  /** A pack is settled. */
  release(stretch: Stretch): void {
    stretch.packs -= 1;
    if (stretch.packs > 0) return;
    stretch.at = 0;
    const kept = stretch !== this.#current && stretch.bytes.length === stretchBytes && this.#free.length < keptStretches;
    if (kept) this.#free.push(stretch);
  }
}
