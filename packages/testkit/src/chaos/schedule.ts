import { Prng } from "../simulation/prng.ts";
import type { Fault } from "./fault.ts";

/** A fault, and when. */
export interface Planned {
  readonly fault: Fault;
  /** Since the run began, in milliseconds. It begins then, or when the parts that it touches are whole again. */
  readonly atMs: number;
  readonly forMs: number;
  /** Seed of what it draws when it begins. */
  readonly salt: number;
}

/** Of each round of this length the last quarter is without new faults, so that the system is seen to recover between them. */
const roundMs = 20_000;
const restMs = 5_000;

/**
 * When which fault is injected: a pure function of the seed, the kinds and the length. First a tenth of the time, at most 10 s, without faults. Kinds come in a shuffled order, each once
 * before any comes twice. Faults may overlap.
 */
export function planFaults(seed: number, faults: readonly Fault[], seconds: number): readonly Planned[] {
  const random = new Prng(seed);
  const planned: Planned[] = [];
  const quietMs = Math.min(10_000, seconds * 100);
  let bag: Fault[] = [];
  for (let atMs = quietMs; atMs < seconds * 1_000 && faults.length > 0; atMs += 1_000 + random.below(2_500)) {
    if ((atMs - quietMs) % roundMs >= roundMs - restMs) continue;
    if (bag.length === 0) bag = shuffle(faults, random);
    const fault = bag.pop();
    if (fault === undefined) break;
    const [least, most] = fault.lastsMs;
    planned.push({ fault, atMs, forMs: least + random.below(most - least + 1), salt: random.below(2 ** 31) });
  }
  return planned;
}

function shuffle<T>(values: readonly T[], random: Prng): T[] {
  const left = [...values];
  const result: T[] = [];
  while (left.length > 0) result.push(...left.splice(random.below(left.length), 1));
  return result;
}
