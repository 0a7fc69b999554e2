import type { Prng } from "./prng.ts";

interface Hop {
  readonly link: string;
  readonly alive: () => boolean;
  readonly run: () => void;
  /** Not before this time. */
  readonly due: number;
}

/** Everything that takes time: in order on one link, in any order across links, nothing to the dead. And the clock. */
export class Network {
  /** Monotonic milliseconds. */
  now = 0;
  #hops: Hop[] = [];

  send(link: string, alive: () => boolean, run: () => void): void {
    this.#hops.push({ link, alive, run, due: 0 });
  }

  /** A timer: `link` must be its own. */
  timer(link: string, alive: () => boolean, afterMs: number, run: () => void): void {
    this.#hops.push({ link, alive, run, due: this.now + afterMs });
  }

  /** Lets one hop of a random link happen. False when nothing is on its way. */
  step(random: Prng): boolean {
    const chosen = random.pick(this.#hops);
    if (chosen === undefined) return false;
    const index = chosen.due > 0 ? this.#hops.indexOf(chosen) : this.#hops.findIndex(({ link }) => link === chosen.link);
    const hop = this.#hops[index];
    if (hop === undefined) return false;
    // Who waits for a timer lets time pass.
    if (hop.due > this.now) this.now += 1;
    else {
      this.#hops.splice(index, 1);
      if (hop.alive()) hop.run();
    }
    return true;
  }
}
