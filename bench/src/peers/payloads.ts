import { createRequire } from "node:module";

/** What events carry: so many bytes of JSON, or the real bodies of webhooks of GitHub. */
export type PayloadKind = number | "webhooks";

/** Before the text: the number of the event, and the time at which it was due. */
const header = { number: 0, due: 4, length: 12 };
const bodies = 1_000;

/** Makes payloads of one kind. Those of a size are no two alike, and look like the orders of a shop: what compresses well would please those who compress. */
export class Payloads {
  readonly #bodies: readonly Buffer[];
  /** By body. */
  readonly #free: Buffer[][];

  constructor(kind: PayloadKind) {
    this.#bodies = kind === "webhooks" ? webhooks() : Array.from({ length: bodies }, (_, i) => order(i, kind - header.length));
    this.#free = this.#bodies.map(() => []);
  }

  /** Bytes of one, on average. */
  get meanBytes(): number {
    return this.#bodies.reduce((sum, body) => sum + body.length, 0) / this.#bodies.length + header.length;
  }

  /** In memory of one that was given back, if there is one: what is made anew for each event is garbage that the bench adds to what every client makes. */
  make(n: number, dueMs: number): Buffer {
    const index = n % this.#bodies.length;
    const payload = this.#free[index]?.pop() ?? Buffer.concat([Buffer.alloc(header.length), this.#bodies[index] ?? Buffer.alloc(0)]);
    payload.writeUInt32BE(n, header.number);
    payload.writeDoubleBE(dueMs, header.due);
    return payload;
  }

  /** Nobody reads the payload of event `n` any more. */
  giveBack(n: number, payload: Buffer): void {
    this.#free[n % this.#bodies.length]?.push(payload);
  }
}

/** Number of the event in a payload. Not a number when it is none. */
export function numberIn(payload: Uint8Array): number {
  const byte = (index: number): number => payload[index] ?? Number.NaN;
  return byte(0) * 2 ** 24 + byte(1) * 2 ** 16 + byte(2) * 2 ** 8 + byte(3);
}

/** When the event of a payload was due. */
export function dueIn(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset).getFloat64(header.due);
}

function webhooks(): readonly Buffer[] {
  const all = createRequire(import.meta.url)("@octokit/webhooks-examples") as readonly { readonly examples: readonly unknown[] }[];
  return all.flatMap(({ examples }) => examples.map((example) => Buffer.from(JSON.stringify(example))));
}

function order(seed: number, length: number): Buffer {
  // A linear congruential generator: the same bytes in every run and process.
  let state = (seed * 7_919 + 12_345) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
  const items: unknown[] = [];
  const text = (): string =>
    JSON.stringify({
      order: `${random(2 ** 31).toString(36)}${random(2 ** 31).toString(36)}`,
      customer: `c-${random(100_000)}`,
      placed: 1_700_000_000 + random(10_000_000),
      items,
    });
  while (text().length < length) items.push({ sku: random(2 ** 31).toString(16), quantity: 1 + random(9), price: random(100_000) / 100 });
  return Buffer.from(text().slice(0, length));
}
