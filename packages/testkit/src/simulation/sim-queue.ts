import { rule } from "./violation.ts";

/** One AMQP message: the ids of its events. */
export interface SimMessage {
  readonly ids: readonly string[];
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

/** A quorum queue with a single active consumer: un-acked messages of a closed channel go back to the front, in order. */
export class SimQueue {
  readonly #ready: SimMessage[] = [];
  /** By consumer, in order of arrival: the first one is active. */
  readonly #channels = new Map<number, Channel>();
  readonly #prefetch: number;

  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }

  publish(message: SimMessage): void {
    this.#ready.push(message);
  }

  open(consumer: number, channel: number): void {
    this.#channels.set(consumer, { number: channel, tag: 0, unacked: [] });
  }

  /** Returns whether something has to come again. */
  close(consumer: number): boolean {
    const channel = this.#channels.get(consumer);
    this.#channels.delete(consumer);
    if (channel === undefined) return false;
    this.#ready.unshift(...channel.unacked.map(({ message }) => message));
    return channel.unacked.length > 0;
  }

  deliver(consumer: number): { readonly channel: number; readonly tag: number; readonly message: SimMessage } | undefined {
    const [active] = this.#channels.keys();
    const channel = this.#channels.get(consumer);
    if (active !== consumer || channel === undefined || channel.unacked.length >= this.#prefetch) return undefined;
    const message = this.#ready.shift();
    if (message === undefined) return undefined;
    channel.tag += 1;
    channel.unacked.push({ tag: channel.tag, message });
    return { channel: channel.number, tag: channel.tag, message };
  }

  ack(consumer: number, number: number, tag: number, stored: (id: string) => boolean): boolean {
    const channel = this.#channels.get(consumer);
    if (channel === undefined || channel.number !== number) return false;
    for (const { tag: own, message } of channel.unacked) {
      if (own > tag) break;
      for (const id of message.ids) rule(stored(id), `W1: ${id} was acked to RabbitMQ before it was stored`);
    }
    channel.unacked = channel.unacked.filter((unacked) => unacked.tag > tag);
    return true;
  }

  get empty(): boolean {
    return this.#ready.length === 0 && [...this.#channels.values()].every(({ unacked }) => unacked.length === 0);
  }
}
