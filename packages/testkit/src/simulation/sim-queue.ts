import type { Prng } from "./prng.ts";
import type { SimSlice, SimType } from "./sim-event.ts";
import { rule } from "./violation.ts";

/** One AMQP message: its events, in the order of the pack. `spoiled`: names something else in it, which no log can take. */
export interface SimMessage {
  readonly slices: readonly SimSlice[];
  readonly spoiled: string | undefined;
}

interface Unacked {
  readonly tag: number;
  readonly message: SimMessage;
}

interface Channel {
  readonly number: number;
  tag: number;
  unacked: Unacked[];
}

/** What was delivered. */
export interface SimDelivery {
  readonly channel: number;
  readonly tag: number;
  readonly message: SimMessage;
}

/** A quorum queue with a single active consumer: un-acked messages of a closed channel go back to the front, in order. */
export class SimQueue {
  readonly types: ReadonlySet<SimType>;
  /** Declared, and bound. */
  exists = false;
  /** Keys of all events that were routed here, but for those that went with the queue when it was deleted. */
  readonly routed = new Map<string, SimSlice>();
  /** How many of the next messages were delivered before. */
  returned = 0;
  readonly #ready: SimMessage[] = [];
  /** By consumer, in order of arrival: the first one is active. */
  readonly #channels = new Map<number, Channel>();
  readonly #prefetch: number;
  /** What is given back comes in any order, as after several closed channels. */
  readonly #disorder: Prng | undefined;

  constructor(types: readonly SimType[], prefetch: number, disorder: Prng | undefined) {
    this.types = new Set(types);
    this.#prefetch = prefetch;
    this.#disorder = disorder;
  }

  get ordered(): boolean {
    return this.#disorder === undefined;
  }

  /** Takes a message when one of its events is for this queue; whether it did. */
  publish(message: SimMessage): boolean {
    const mine = message.slices.filter(({ event }) => this.types.has(event.type));
    if (!this.exists || mine.length === 0) return false;
    this.#ready.push(message);
    for (const slice of mine) this.routed.set(slice.event.key, slice);
    return true;
  }

  open(consumer: number, channel: number): void {
    this.#channels.set(consumer, { number: channel, tag: 0, unacked: [] });
  }

  /** Returns whether something has to come again. */
  close(consumer: number): boolean {
    const channel = this.#channels.get(consumer);
    this.#channels.delete(consumer);
    if (channel === undefined) return false;
    const back = channel.unacked.map(({ message }) => message);
    if (this.#disorder !== undefined) back.sort(() => (this.#disorder?.chance(0.5) === true ? 1 : -1));
    this.#ready.unshift(...back);
    this.returned += back.length;
    return back.length > 0;
  }

  /** An operator deletes it with all it holds: consumers are cancelled. Returns what was lost. */
  delete(): readonly SimSlice[] {
    const lost = [...this.#ready, ...[...this.#channels.values()].flatMap(({ unacked }) => unacked.map(({ message }) => message))];
    this.#ready.length = 0;
    this.returned = 0;
    this.#channels.clear();
    this.exists = false;
    return lost.flatMap(({ slices }) => slices);
  }

  deliver(consumer: number): SimDelivery | undefined {
    const [active] = this.#channels.keys();
    const channel = this.#channels.get(consumer);
    if (active !== consumer || channel === undefined || channel.unacked.length >= this.#prefetch) return undefined;
    const message = this.#ready.shift();
    if (message === undefined) return undefined;
    if (this.returned > 0) this.returned -= 1;
    channel.tag += 1;
    channel.unacked.push({ tag: channel.tag, message });
    return { channel: channel.number, tag: channel.tag, message };
  }

  /** W1, when an ack is sent: all that it acks is kept, or in `aside`. */
  checkAck(consumer: number, number: number, tag: number, kept: (slice: SimSlice) => boolean, aside: ReadonlySet<string>): void {
    const channel = this.#channels.get(consumer);
    if (channel?.number !== number) return;
    rule(tag <= channel.tag, `W1: tag ${tag} was acked and never delivered`);
    for (const { tag: own, message } of channel.unacked) {
      if (own > tag) break;
      rule(message.spoiled === undefined || aside.has(message.spoiled), `W12: what is ${message.spoiled} was acked and not set aside`);
      for (const slice of message.slices)
        if (this.types.has(slice.event.type)) rule(kept(slice), `W1: ${slice.event.key} was acked to RabbitMQ before it was stored`);
    }
  }

  /** An ack arrives. False: its channel is closed, nothing happens. */
  ack(consumer: number, number: number, tag: number): boolean {
    const channel = this.#channels.get(consumer);
    if (channel?.number !== number) return false;
    channel.unacked = channel.unacked.filter((unacked) => unacked.tag > tag);
    return true;
  }

  /** Others have messages that they did not ack. */
  isHeldByOthers(consumer: number): boolean {
    return [...this.#channels].some(([other, { unacked }]) => other !== consumer && unacked.length > 0);
  }

  get empty(): boolean {
    return this.#ready.length === 0 && [...this.#channels.values()].every(({ unacked }) => unacked.length === 0);
  }
}
