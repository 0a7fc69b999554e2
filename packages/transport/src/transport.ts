import type { WarrenError } from "@warren/protocol";
import type { AmqpMessage, MessageProperties } from "@warren/protocol/amqp";

/** One AMQP hand-over. Never called an event: it may hold several. */
export interface Delivery extends AmqpMessage {
  /** Valid only on the channel it came from. Grows by one per delivery of a channel. */
  readonly tag: number;
  readonly exchange: string;
  readonly redelivered: boolean;
}

/** A message to publish: persistent and mandatory always. */
export interface OutgoingMessage extends MessageProperties {
  readonly exchange: string;
  readonly routingKey: string;
  /** More routing keys (AMQP sender-selected distribution); a queue that matches several gets the message once. */
  readonly cc?: readonly string[] | undefined;
  /** Not looked at any more when the message is settled: its memory may be used again then. */
  readonly body: Uint8Array;
}

/**
 * What became of a published message. There is no fourth outcome.
 * `ok`: confirmed and not returned. `rejected`: in no queue. `indeterminate`: stored zero or one time; sending it again is safe.
 */
export type PublishOutcome =
  | { readonly kind: "ok" }
  | { readonly kind: "rejected"; readonly error: WarrenError }
  | { readonly kind: "indeterminate"; readonly error: WarrenError };

/** An exchange as Warren needs it: durable, topic. */
export interface ExchangeSpec {
  readonly name: string;
  /** `declare`: make it when missing. `passive`: it must exist; wait for it, saying so. */
  readonly mode: "declare" | "passive";
}

/** A queue as Warren needs it: durable, quorum, no delivery limit, bound to one exchange by topic patterns. */
export interface QueueSpec {
  readonly name: string;
  readonly patterns: readonly string[];
  /** One consumer at a time, in order (W4). */
  readonly singleActiveConsumer: boolean;
}

/** Exchange, queue and bindings of one consumer; checked on every (re)connect. */
export interface Topology {
  readonly exchange: ExchangeSpec;
  readonly queue: QueueSpec;
}

/** Why a channel ended. */
export interface ChannelClosed {
  readonly kind: "connection-lost" | "channel-error" | "cancelled" | "queue-deleted" | "closed-by-us";
  readonly detail: string;
}

/** What a queue consumer tells its owner. Called synchronously, in order, never concurrently. Must not throw. */
export interface QueueConsumerHandler {
  /** Consuming on a new channel. Channels are numbered 1, 2, 3 … by the consumer; deliveries of an older one are void. */
  opened(channel: number): void;
  delivered(channel: number, delivery: Delivery): void;
  /** The channel ended: its deliveries will come again, acks for it are dropped. A new channel follows unless we closed. */
  closed(channel: number, reason: ChannelClosed): void;
  /** It cannot consume now, and why; it goes on trying. Called once per change. */
  waiting(error: WarrenError): void;
}

/** How to consume a queue. */
export interface ConsumeOptions {
  readonly topology: Topology;
  /** Un-acked messages RabbitMQ may send ahead. */
  readonly prefetch: number;
  /** The queue was declared before: it is looked up passively first, and when it is gone `queueMissing` runs before it is made again (W9), for all patterns at once. */
  readonly existing: boolean;
  /** Records the loss. When it rejects, it is called again later and the queue is not made before it resolved. */
  readonly queueMissing: () => Promise<void>;
  readonly handler: QueueConsumerHandler;
}

/** Consumes one queue; re-opens its channel by itself, with back-off, until closed. */
export interface QueueConsumer {
  /**
   * Acks every delivery of that channel up to and with `tag`, at once or within `Times.ackDelayMs`, and before we close it. False, and nothing happens, when the channel is not
   * the open one.
   */
  ackUpTo(channel: number, tag: number): boolean;
  /** Closes the channel, so that un-acked deliveries go back in order, and opens none until `resume`. Twice is fine; after `close`: nothing. */
  pause(): void;
  /** After `pause`: opens a channel again, with this prefetch; a later one has that of the options again. Not paused: nothing. */
  resume(prefetch: number): void;
  /** Closes the channel (never `basic.cancel`), so that un-acked deliveries go back in order. Twice is fine. */
  close(): Promise<void>;
}

/** Publishes messages in order, on a confirm channel of a connection of its own. */
export interface MessagePublisher {
  /**
   * Sends one message; settles when it is known what became of it, never rejects. Order of calls is order on the wire, also after a
   * reconnect: unconfirmed messages are sent again, first and in order. After `confirmTimeoutMs` without a confirm: `indeterminate`.
   */
  publish(message: OutgoingMessage): Promise<PublishOutcome>;
  /** The same without a promise: `settled` is called once, and must not throw. */
  send(message: OutgoingMessage, settled: (outcome: PublishOutcome) => void): void;
  /** Bytes of bodies not settled yet. */
  readonly pendingBytes: number;
  /** Waits until every message settled, then closes. Twice is fine. */
  drain(): Promise<void>;
  /** Closes now; what is not settled becomes `indeterminate`. Twice is fine. */
  close(): Promise<void>;
}

/** Options of a publisher. */
export interface MessagePublisherOptions {
  /** Default `Times.publishConfirmMs`, 15 000 ms. Counts from `publish`, also while RabbitMQ is away or blocks publishing. */
  readonly confirmTimeoutMs?: number | undefined;
  /** The exchange must exist; it is checked passively on each connect, so that a wrong name is a typed error and not a closed channel. */
  readonly exchange: string;
}

/** State of a connection. `blocked`: RabbitMQ has an alarm and takes no messages. */
export type TransportStatus =
  | { readonly kind: "connected" }
  | { readonly kind: "connecting"; readonly error?: WarrenError | undefined }
  | { readonly kind: "blocked"; readonly reason: string }
  | { readonly kind: "closed" };

/** What the rest of Warren knows of RabbitMQ. */
export interface Transport {
  /** The status now. */
  readonly status: TransportStatus;
  /** Calls `listener` on every change of status; returns the function that ends it. */
  onStatus(listener: (status: TransportStatus) => void): () => void;
  /** Declares (or passively checks) an exchange. Throws EXCHANGE_INVALID or TRANSPORT_UNAVAILABLE; does not wait for RabbitMQ. */
  ensureExchange(exchange: ExchangeSpec): Promise<void>;
  /** Declares queue and bindings durably, without consuming (W13). Throws EXCHANGE_INVALID, QUEUE_INVALID or TRANSPORT_UNAVAILABLE. */
  ensureQueue(topology: Topology): Promise<void>;
  /** Messages that wait in a queue and were not handed over; undefined: there is no such queue. Throws TRANSPORT_UNAVAILABLE. */
  queueDepth(queue: string): Promise<number | undefined>;
  /**
   * Deletes a queue, with what waits in it, unless somebody consumes it. True: it is gone, or never was; false: it is consumed, nothing was done. Throws
   * TRANSPORT_UNAVAILABLE.
   */
  deleteQueue(queue: string): Promise<boolean>;
  consume(options: ConsumeOptions): QueueConsumer;
  createPublisher(options: MessagePublisherOptions): MessagePublisher;
  /** Closes all consumers, publishers and connections. Twice is fine. */
  close(): Promise<void>;
}
