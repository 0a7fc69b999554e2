import type { Channel, ConsumeMessage } from "amqplib";

/** How many messages are acked at once. */
export interface AckOptions {
  readonly every: number;
  /** None later than so many milliseconds after it was done. */
  readonly withinMs: number;
}

/** Acks many messages of a channel's only consumer at once, as they come: each ack is an entry of a quorum queue's log. */
export class Acker {
  readonly #channel: Pick<Channel, "ack">;
  readonly #options: AckOptions;
  #last: ConsumeMessage | undefined;
  #ackedTag = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: Pick<Channel, "ack">, options: AckOptions) {
    this.#channel = channel;
    this.#options = options;
  }

  /** This one is done, and all that were delivered before it. */
  done(message: ConsumeMessage): void {
    this.#last = message;
    if (message.fields.deliveryTag - this.#ackedTag >= this.#options.every) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), this.#options.withinMs);
  }

  /** Acks now what is done. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#last === undefined) return;
    this.#channel.ack(this.#last, true);
    this.#ackedTag = this.#last.fields.deliveryTag;
    this.#last = undefined;
  }
}
