import { TopicMatcher } from "@warren/protocol";
import type { Delivery, OutgoingMessage, QueueSpec } from "../transport.ts";

/** One consumer's open channel on a queue. */
export interface MemoryChannel {
  readonly deliver: (delivery: Delivery) => void;
  /** The queue or the connection is gone. */
  readonly lost: (kind: "queue-deleted" | "connection-lost" | "channel-error") => void;
  readonly prefetch: number;
  readonly unacked: { readonly tag: number; readonly message: StoredMessage }[];
  tags: number;
}

interface StoredMessage {
  readonly message: OutgoingMessage;
  readonly redelivered: boolean;
}

interface MemoryQueue {
  readonly exchange: string;
  readonly singleActiveConsumer: boolean;
  patterns: Set<string>;
  matcher: TopicMatcher;
  ready: StoredMessage[];
  channels: MemoryChannel[];
}

/**
 * A small RabbitMQ in memory: durable topic exchanges and quorum queues for as long as the object lives. Transports that share it share everything, so that broker
 * and archiver of one process meet. It hands over in order, takes back in order, returns what no queue matches, and confirms after a turn of the event loop.
 */
export class MemoryBroker {
  readonly #exchanges = new Map<string, "topic" | "fanout">();
  readonly #queues = new Map<string, MemoryQueue>();
  readonly #blockedListeners = new Set<(reason: string | undefined) => void>();
  #blocked: string | undefined;
  #doomed = 0;

  hasExchange(name: string): boolean {
    return this.#exchanges.has(name);
  }

  /** False when it exists with another type. */
  declareExchange(name: string): boolean {
    if (!this.#exchanges.has(name)) this.#exchanges.set(name, "topic");
    return this.#exchanges.get(name) === "topic";
  }

  hasQueue(name: string): boolean {
    return this.#queues.has(name);
  }

  declareQueue(exchange: string, { name, patterns, singleActiveConsumer }: QueueSpec): void {
    const queue = this.#queues.get(name) ?? {
      exchange,
      singleActiveConsumer,
      patterns: new Set(),
      matcher: new TopicMatcher([]),
      ready: [],
      channels: [],
    };
    queue.patterns = new Set([...queue.patterns, ...patterns]);
    queue.matcher = new TopicMatcher([...queue.patterns]);
    this.#queues.set(name, queue);
  }

  /** Whether this try to connect is reset. */
  resetsSetup(): boolean {
    if (this.#doomed === 0) return false;
    this.#doomed -= 1;
    return true;
  }

  /** Messages that wait in a queue, handed over or not. */
  depth(name: string): number {
    const queue = this.#queues.get(name);
    return queue === undefined ? 0 : queue.ready.length + queue.channels.reduce((sum, { unacked }) => sum + unacked.length, 0);
  }

  /** Of them, those that were not handed over. Undefined: no such queue. */
  ready(name: string): number | undefined {
    return this.#queues.get(name)?.ready.length;
  }

  /** False: it is consumed, nothing was done. */
  deleteQueue(name: string): boolean {
    if ((this.#queues.get(name)?.channels.length ?? 0) > 0) return false;
    this.#queues.delete(name);
    return true;
  }

  /** Why publishing is blocked now. */
  get blocked(): string | undefined {
    return this.#blocked;
  }

  onBlocked(listener: (reason: string | undefined) => void): () => void {
    this.#blockedListeners.add(listener);
    return () => this.#blockedListeners.delete(listener);
  }

  /** Whether any queue took it. */
  route(message: OutgoingMessage): boolean {
    const keys = [message.routingKey, ...(message.cc ?? [])];
    let routed = false;
    for (const queue of this.#queues.values()) {
      if (queue.exchange !== message.exchange || !keys.some((key) => queue.matcher.matches(key))) continue;
      queue.ready.push({ message, redelivered: false });
      routed = true;
      this.#handOver(queue);
    }
    return routed;
  }

  /** False when there is no such queue. */
  open(name: string, channel: MemoryChannel): boolean {
    const queue = this.#queues.get(name);
    if (queue === undefined) return false;
    queue.channels.push(channel);
    queueMicrotask(() => this.#handOver(queue));
    return true;
  }

  ack(name: string, channel: MemoryChannel, tag: number): void {
    while (channel.unacked[0] !== undefined && channel.unacked[0].tag <= tag) channel.unacked.shift();
    const queue = this.#queues.get(name);
    if (queue !== undefined) this.#handOver(queue);
  }

  /** Un-acked messages go back to the front, in order, marked as redelivered. */
  leave(name: string, channel: MemoryChannel): void {
    const queue = this.#queues.get(name);
    if (queue === undefined || !queue.channels.includes(channel)) return;
    queue.channels = queue.channels.filter((each) => each !== channel);
    queue.ready.unshift(...channel.unacked.splice(0).map(({ message }) => ({ message: message.message, redelivered: true })));
    queueMicrotask(() => this.#handOver(queue));
  }

  /** What tests do to it. */
  readonly faults = {
    /** RabbitMQ closes the channels of a queue's consumers. */
    closeChannels: (name: string): void => this.#lose(name, "channel-error"),
    /** Connections of a queue's consumers are reset. */
    resetConnections: (name: string): void => this.#lose(name, "connection-lost"),
    makeFanoutExchange: (name: string): void => void this.#exchanges.set(name, "fanout"),
    /** The next tries of consumers to open are reset. */
    resetDuringSetup: (count: number): void => void (this.#doomed = count),
    deleteQueue: (name: string): void => {
      const queue = this.#queues.get(name);
      this.#queues.delete(name);
      for (const channel of queue?.channels ?? []) channel.lost("queue-deleted");
    },
    block: (reason: string | undefined): void => {
      this.#blocked = reason;
      for (const listener of this.#blockedListeners) listener(reason);
    },
  };

  #lose(name: string, kind: "channel-error" | "connection-lost"): void {
    for (const channel of this.#queues.get(name)?.channels.slice() ?? []) {
      this.leave(name, channel);
      channel.lost(kind);
    }
  }

  #handOver(queue: MemoryQueue): void {
    const takers = queue.singleActiveConsumer ? queue.channels.slice(0, 1) : queue.channels;
    for (const channel of takers) {
      while (channel.unacked.length < channel.prefetch) {
        const stored = queue.ready.shift();
        if (stored === undefined) return;
        channel.tags += 1;
        const tag = channel.tags;
        channel.unacked.push({ tag, message: stored });
        const { exchange, routingKey, contentType, messageId, appId, timestamp, headers, body } = stored.message;
        channel.deliver({
          tag,
          exchange,
          routingKey,
          redelivered: stored.redelivered,
          contentType,
          messageId,
          appId,
          timestamp,
          headers,
          body,
        });
      }
    }
  }
}
