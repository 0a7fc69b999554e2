import { bodyOf, EventEncoder, Limits, type EventDefaults, type NewEvent, type WarrenError } from "@warren/protocol";
import { HeldBytes } from "./held-bytes.ts";
import type { Line } from "./line.ts";
import type { EventOutcome } from "./outcome.ts";
import { Stretches, type Stretch } from "./stretches.ts";

/**
 * A pack that could still grow waits while so many are not confirmed: what is published meanwhile travels with it, and RabbitMQ's cost is one of messages.
 * A full one goes at once. An idle publisher never waits.
 */
const packsUnderWay = 8;

/** Events that travel in one AMQP message and have one outcome: at most 64 KiB or one event, at most 200 events, at most 16 types beside the first. */
export interface Pack {
  /** The first type. */
  readonly routingKey: string;
  /** Other types, for the CC header. */
  readonly cc: readonly string[];
  /** A `warren.v1.Pack`. Only until it is settled: then the memory is used again. */
  readonly body: Uint8Array;
  /** Tells what became of its events, once. */
  settle(outcome: EventOutcome): void;
}

/**
 * A line of packs. An event is encoded into its pack when it is published, and nothing else of it is kept: what lives until RabbitMQ confirms is what the garbage
 * collector copies, again and again.
 */
export class PackLine implements Line<Pack> {
  readonly #encoder = new EventEncoder();
  readonly #stretches = new Stretches();
  readonly #held = new HeldBytes();
  /** Those that take nothing more. */
  readonly #full: GrowingPack[] = [];
  /** The last one. Empty after an event that was not taken. */
  #open: GrowingPack | undefined;
  readonly #settled = ({ size, stretch }: GrowingPack): void => {
    this.#held.give(size);
    this.#stretches.release(stretch);
  };

  get isEmpty(): boolean {
    return this.#full.length === 0 && (this.#open === undefined || this.#open.count === 0);
  }

  add(event: NewEvent, defaults: EventDefaults): Promise<EventOutcome> {
    // Before it has a place: a `toJSON` may publish, too.
    const body = bodyOf(event);
    const open = (this.#open ??= new GrowingPack(this.#stretches.hold(), this.#settled));
    const { bytes, at } = open.stretch;
    const encoded = this.#encoder.encodeInto(event, body, defaults, bytes, at);
    const large = typeof encoded === "number" ? undefined : encoded;
    const size = typeof encoded === "number" ? encoded - at : encoded.length;
    this.#held.take(size);
    if (!open.takes(event.type, size)) return this.#addToNext(event.type, large ?? bytes.subarray(at, at + size));
    if (large !== undefined) bytes.set(large, at);
    return this.#grow(open, event.type, size);
  }

  take(underWay: number): Pack | undefined {
    const full = this.#full.shift();
    if (full !== undefined || this.isEmpty || underWay >= packsUnderWay) return full;
    const open = this.#open;
    this.#open = undefined;
    return open;
  }

  reject(error: WarrenError): void {
    const waiting = this.#full.splice(0);
    if (this.#open !== undefined) waiting.push(this.#open);
    this.#open = undefined;
    for (const pack of waiting) pack.settle({ kind: "rejected", error });
  }

  /** The open pack takes no event like this. One that is larger than any pack may be travels alone. */
  #addToNext(type: string, encoded: Uint8Array): Promise<EventOutcome> {
    const before = this.#open;
    if (before !== undefined && before.count > 0) this.#full.push(before);
    // Nothing is in it: it gives back its place.
    else before?.settle({ kind: "ok" });
    this.#open = undefined;
    const alone = encoded.length > Limits.packBytes;
    const pack = new GrowingPack(alone ? this.#stretches.around(encoded) : this.#stretches.hold(), this.#settled);
    if (!alone) pack.stretch.bytes.set(encoded, pack.stretch.at);
    this.#open = pack;
    return this.#grow(pack, type, encoded.length);
  }

  #grow(pack: GrowingPack, type: string, size: number): Promise<EventOutcome> {
    pack.grow(type, size);
    if (pack.isFull) {
      this.#full.push(pack);
      this.#open = undefined;
    }
    return pack.outcome;
  }
}

/** A pack that events are added to, at the end of its stretch, until it is taken. */
class GrowingPack implements Pack {
  readonly stretch: Stretch;
  readonly outcome: Promise<EventOutcome>;
  size = 0;
  count = 0;
  readonly #start: number;
  readonly #types: string[] = [];
  readonly #settled: (pack: GrowingPack) => void;
  readonly #resolve: (outcome: EventOutcome) => void;

  constructor(stretch: Stretch, settled: (pack: GrowingPack) => void) {
    this.stretch = stretch;
    this.#start = stretch.at;
    this.#settled = settled;
    const { promise, resolve } = Promise.withResolvers<EventOutcome>();
    this.outcome = promise;
    this.#resolve = resolve;
  }

  get routingKey(): string {
    return this.#types[0] ?? "";
  }

  get cc(): readonly string[] {
    return this.#types.slice(1);
  }

  get body(): Uint8Array {
    return this.stretch.bytes.subarray(this.#start, this.#start + this.size);
  }

  get isFull(): boolean {
    return this.count === Limits.packEvents || this.size >= Limits.packBytes;
  }

  takes(type: string, size: number): boolean {
    if (this.size + size > Limits.packBytes) return false;
    return this.#types[0] === type || this.#types.length <= Limits.packCcTypes || this.#types.includes(type);
  }

  /** The bytes are there already. */
  grow(type: string, size: number): void {
    if (this.#types[0] !== type && !this.#types.includes(type)) this.#types.push(type);
    this.stretch.at += size;
    this.size += size;
    this.count += 1;
  }

  settle(outcome: EventOutcome): void {
    this.#settled(this);
    this.#resolve(outcome);
  }
}
