import { silentLogger, systemClock, WarrenError, type Clock, type Logger } from "@warren/protocol";
import type {
  ConsumeOptions,
  ExchangeSpec,
  MessagePublisher,
  MessagePublisherOptions,
  QueueConsumer,
  Topology,
  Transport,
  TransportStatus,
} from "../transport.ts";
import { AmqpConnection } from "./amqp-connection.ts";
import { AmqpConsumer } from "./amqp-consumer.ts";
import { AmqpPublisher } from "./amqp-publisher.ts";
import { declareQueue, deleteQueue, ensureExchange, lookUpQueue } from "./amqp-topology.ts";

/** Options of a transport over AMQP 0-9-1. */
export interface AmqpTransportOptions {
  /** amqp://user:password@host:5672/vhost */
  readonly url: string;
  /** Shown in RabbitMQ's management page, for example "broker/host". Default "warren". */
  readonly connectionName?: string | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
  /** For jitter. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/**
 * RabbitMQ through amqplib. Connects on first use. Publishing and consuming have a connection each: an alarm blocks the publishing one only.
 * Throws CONFIG_INVALID for a bad URL.
 */
export function createAmqpTransport(options: AmqpTransportOptions): Transport {
  return new AmqpTransport(options);
}

class AmqpTransport implements Transport {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #consuming: AmqpConnection;
  readonly #publishing: AmqpConnection;
  readonly #parts = new Set<QueueConsumer | MessagePublisher>();

  constructor(options: AmqpTransportOptions) {
    const { url, connectionName = "warren", clock = systemClock, logger = silentLogger, random = Math.random } = options;
    if (!/^amqps?:\/\//.test(url) || !URL.canParse(url)) {
      throw new WarrenError("CONFIG_INVALID", "the AMQP URL must look like amqp://user:password@host:5672/vhost");
    }
    this.#clock = clock;
    this.#logger = logger;
    const open = (role: string): AmqpConnection => new AmqpConnection({ url, name: `${connectionName}/${role}`, clock, logger, random });
    this.#consuming = open("consume");
    this.#publishing = open("publish");
  }

  /** Of the consuming connection, unless the publishing one is blocked. */
  get status(): TransportStatus {
    return this.#publishing.status.kind === "blocked" ? this.#publishing.status : this.#consuming.status;
  }

  onStatus(listener: (status: TransportStatus) => void): () => void {
    const stops = [this.#consuming, this.#publishing].map((connection) => connection.onStatus(() => listener(this.status)));
    return () => {
      for (const stop of stops) stop();
    };
  }

  ensureExchange(exchange: ExchangeSpec): Promise<void> {
    return ensureExchange(this.#consuming, exchange);
  }

  async ensureQueue(topology: Topology): Promise<void> {
    await ensureExchange(this.#consuming, topology.exchange);
    await declareQueue(this.#consuming, topology);
  }

  async queueDepth(queue: string): Promise<number | undefined> {
    return (await lookUpQueue(this.#consuming, queue))?.messageCount;
  }

  deleteQueue(queue: string): Promise<boolean> {
    return deleteQueue(this.#consuming, queue);
  }

  consume(options: ConsumeOptions): QueueConsumer {
    return this.#keep(new AmqpConsumer({ connection: this.#consuming, clock: this.#clock, logger: this.#logger }, options));
  }

  createPublisher(options: MessagePublisherOptions): MessagePublisher {
    return this.#keep(new AmqpPublisher({ connection: this.#publishing, clock: this.#clock, logger: this.#logger }, options));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#parts].map((part) => part.close()));
    await Promise.all([this.#consuming.close(), this.#publishing.close()]);
  }

  #keep<T extends QueueConsumer | MessagePublisher>(part: T): T {
    this.#parts.add(part);
    return part;
  }
}
