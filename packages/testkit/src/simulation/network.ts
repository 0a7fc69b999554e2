import type { Prng } from "./prng.ts";

interface Hop {
  readonly link: string;
  readonly alive: () => boolean;
  readonly run: () => void;
}

/** Everything that takes time: in order on one link, in any order across links, nothing to the dead. */
export class Network {
  #hops: Hop[] = [];

  send(link: string, alive: () => boolean, run: () => void): void {
    this.#hops.push({ link, alive, run });
  }

  /** Lets one hop of a random link happen. False when nothing is on its way. */
  step(random: Prng): boolean {
    const chosen = random.pick(this.#hops);
    if (chosen === undefined) return false;
    const index = this.#hops.findIndex(({ link }) => link === chosen.link);
    const [hop] = this.#hops.splice(index, 1);
    if (hop?.alive() === true) hop.run();
    return true;
  }

  has(link: string): boolean {
    return this.#hops.some((hop) => hop.link === link);
  }
}
