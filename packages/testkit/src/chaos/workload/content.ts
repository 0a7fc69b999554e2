import { crc32 } from "node:zlib";
import type { Prng } from "../../simulation/prng.ts";

/** The body of an event. */
export interface Content {
  readonly n: number;
  readonly pad: string;
}

const smallest = 20;
const largest = 100_000;
/** Of a body in a hundred the text is not ASCII. */
const padding = { ascii: "0123456789".repeat(largest / 10), other: "þæö漢字🐇 ".repeat(largest / 8) };

/** A body of 20 B to 100 kB: most are small, unless they are all to be large. */
export function makeContent(n: number, random: Prng, large: boolean): Content {
  const length = large ? largest : Math.floor(smallest * (largest / smallest) ** (random.next() ** 5));
  return { n, pad: (random.chance(0.01) ? padding.other : padding.ascii).slice(0, length) };
}

/** What tells whether two bodies are the same. */
export function digestOf(text: string): string {
  return `${text.length}:${crc32(text).toString(16)}`;
}
