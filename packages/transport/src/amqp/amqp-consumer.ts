import { Times, WarrenError, type Clock, type Logger, type Timer } from "@warren/protocol";
import type { Channel, ConsumeMessage, Message } from "amqplib";
import type { ChannelClosed, ConsumeOptions, QueueConsumer } from "../transport.ts";
import type { AmqpConnection } from "./amqp-connection.ts";
import { messageOf, replyCode, unavailable } from "./amqp-errors.ts";
import { toDelivery } from "./amqp-message.ts";
import { declareQueue, ensureExchange, lookUpQueue } from "./amqp-topology.ts";
import { closeQuietly } from "./close-quietly.ts";

/** So much of the prefetch may wait for an ack that is due. */
const ackPart = 4;

/** What a consumer needs. */
export interface AmqpConsumerDeps {
  readonly connection: AmqpConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Consumes one queue and supervises its channel: whatever closes it, topology is checked and a new one is opened, with back-off, until closed. */
export class AmqpConsumer implements QueueConsumer {
  readonly #deps: AmqpConsumerDeps;
  readonly #options: ConsumeOptions;
  #existing: boolean;
  /** The queue was gone; it, or some of its bindings, may not be there again yet. */
  #remaking = false;
  #channel: { readonly number: number; readonly channel: Channel } | undefined;
  #channels = 0;
  #attempt = 0;
  #told: string | undefined;
  #retry: Timer | undefined;
  #closed = false;
  #paused = false;
  /** Of the channel that is open. */
  #prefetch: number;
  /** Acks up to here are due, and sent, on it. */
  #dueTag = 0;
  #ackedTag = 0;
  #ackTimer: Timer | undefined;
  /** Of the next channel alone. */
  #nextPrefetch: number | undefined;
  #opening: Promise<void> | undefined;

  constructor(deps: AmqpConsumerDeps, options: ConsumeOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#existing = options.existing;
    this.#prefetch = options.prefetch;
    this.#opening = this.#open();
  }

  /** Acks that are due travel together: for a quorum queue each is an entry of its own log. At once when RabbitMQ may soon wait for them. */
  ackUpTo(channel: number, tag: number): boolean {
    const open = this.#channel;
    if (open === undefined || open.number !== channel) return false;
    this.#dueTag = tag;
    if (tag - this.#ackedTag >= this.#prefetch / ackPart) this.#ackNow();
    else this.#ackTimer ??= this.#deps.clock.after(Times.ackDelayMs, () => this.#ackNow());
    return true;
  }

  #ackNow(): void {
    this.#ackTimer?.cancel();
    this.#ackTimer = undefined;
    if (this.#channel === undefined || this.#dueTag <= this.#ackedTag) return;
    this.#ackedTag = this.#dueTag;
    try {
      // Only the tag of the message counts.
      this.#channel.channel.ack({ fields: { deliveryTag: this.#dueTag } } as Message, true);
    } catch {
      // The channel closed a moment ago and its event is under way.
    }
  }

  pause(): void {
    if (this.#closed || this.#paused) return;
    this.#paused = true;
    this.#retry?.cancel();
    // What is being opened sees that we paused; the next one waits for both.
    this.#opening = Promise.all([this.#opening, this.#release()]).then(() => undefined);
  }

  resume(prefetch: number): void {
    if (this.#closed || !this.#paused) return;
    this.#paused = false;
    this.#nextPrefetch = prefetch;
    this.#opening = (this.#opening ?? Promise.resolve()).then(() =>
      this.#wanted && this.#channel === undefined ? this.#open() : undefined,
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    await this.#opening;
    await this.#release();
  }

  /** A channel is to be open. */
  get #wanted(): boolean {
    return !this.#closed && !this.#paused;
  }

  async #release(): Promise<void> {
    this.#ackNow();
    const open = this.#channel;
    this.#channel = undefined;
    // The channel, not the subscription: basic.cancel would leave un-acked messages out of order.
    if (open !== undefined) await closeQuietly(open.channel);
    if (open !== undefined) this.#options.handler.closed(open.number, { kind: "closed-by-us", detail: "closed" });
  }

  async #open(): Promise<void> {
    const { topology, prefetch } = this.#options;
    const { connection } = this.#deps;
    try {
      await ensureExchange(connection, topology.exchange);
      if (this.#existing && (await lookUpQueue(connection, topology.queue.name)) === undefined) {
        this.#deps.logger.error("queue is gone", { queue: topology.queue.name });
        await this.#options.queueMissing();
        this.#remaking = true;
      }
      // Else events of one pattern would come while those of another are still lost: after the place at which the loss was recorded.
      await declareQueue(connection, topology, { atOnce: this.#remaking });
      this.#remaking = false;
      this.#existing = true;
      const channel = await connection.channel();
      this.#prefetch = this.#nextPrefetch ?? prefetch;
      await channel.prefetch(this.#prefetch, false);
      if (!this.#wanted) return await closeQuietly(channel);
      this.#nextPrefetch = undefined;
      await this.#consume(channel);
      this.#attempt = 0;
      this.#told = undefined;
    } catch (error) {
      this.#failed(error instanceof WarrenError ? error : unavailable(error));
    }
    return undefined;
  }

  async #consume(channel: Channel): Promise<void> {
    const { topology, handler } = this.#options;
    this.#channels += 1;
    const number = this.#channels;
    let reason: ChannelClosed | undefined;
    channel.on("error", (error) => {
      reason = { kind: "channel-error", detail: `${replyCode(error) ?? ""} ${messageOf(error)}`.trim() };
    });
    channel.on("close", () => this.#lost(number, reason ?? { kind: "connection-lost", detail: "the connection closed" }));
    this.#channel = { number, channel };
    this.#dueTag = 0;
    this.#ackedTag = 0;
    // Deliveries may come before the answer to consume.
    handler.opened(number);
    const onMessage = (message: ConsumeMessage | null): void => {
      if (this.#channel?.number !== number) return;
      if (message === null) {
        reason = { kind: "queue-deleted", detail: `RabbitMQ cancelled the consumer of ${topology.queue.name}` };
        void closeQuietly(channel);
        return;
      }
      handler.delivered(number, toDelivery(message));
    };
    await channel.consume(topology.queue.name, onMessage, { noAck: false });
  }

  #lost(number: number, reason: ChannelClosed): void {
    if (this.#channel?.number !== number) return;
    this.#channel = undefined;
    this.#options.handler.closed(number, reason);
    if (this.#wanted) this.#again(0);
  }

  #failed(error: WarrenError): void {
    if (!this.#wanted) return;
    this.#attempt += 1;
    if (this.#told !== error.message) {
      this.#told = error.message;
      this.#options.handler.waiting(error);
    }
    this.#again(this.#attempt);
  }

  #again(attempt: number): void {
    const delay = attempt === 0 ? 0 : this.#deps.connection.nextDelay(attempt);
    this.#retry?.cancel();
    this.#retry = this.#deps.clock.after(delay, () => {
      if (this.#wanted) this.#opening = this.#open();
    });
  }
}
