import { systemClock, Times, WarrenError, type Clock, type Timer } from "@warren/protocol";
import type {
  ChannelClosed,
  ConsumeOptions,
  ExchangeSpec,
  MessagePublisher,
  MessagePublisherOptions,
  OutgoingMessage,
  PublishOutcome,
  QueueConsumer,
  Topology,
  Transport,
  TransportStatus,
} from "../transport.ts";
import { MemoryBroker, type MemoryChannel } from "./memory-broker.ts";

/** Options of a transport in memory. */
export interface MemoryTransportOptions {
  /** Shared by the transports that are to meet. Default: a new one. */
  readonly broker?: MemoryBroker | undefined;
  readonly clock?: Clock | undefined;
}

/** The twin of RabbitMQ in memory, for dev mode and tests: the same contract, nothing survives the process. */
export function createMemoryTransport(options: MemoryTransportOptions = {}): Transport {
  return new MemoryTransport(options.broker ?? new MemoryBroker(), options.clock ?? systemClock);
}

/** How soon what failed is tried again. */
const retryMs = 20;

class MemoryTransport implements Transport {
  readonly #broker: MemoryBroker;
  readonly #clock: Clock;
  readonly #parts = new Set<{ close(): Promise<void> }>();
  #closed = false;

  constructor(broker: MemoryBroker, clock: Clock) {
    this.#broker = broker;
    this.#clock = clock;
  }

  get status(): TransportStatus {
    if (this.#closed) return { kind: "closed" };
    const { blocked } = this.#broker;
    return blocked === undefined ? { kind: "connected" } : { kind: "blocked", reason: blocked };
  }

  onStatus(listener: (status: TransportStatus) => void): () => void {
    return this.#broker.onBlocked(() => listener(this.status));
  }

  async ensureExchange(exchange: ExchangeSpec): Promise<void> {
    ensureExchange(this.#broker, exchange);
  }

  async ensureQueue(topology: Topology): Promise<void> {
    ensureExchange(this.#broker, topology.exchange);
    this.#broker.declareQueue(topology.exchange.name, topology.queue);
  }

  async queueDepth(queue: string): Promise<number | undefined> {
    return this.#broker.ready(queue);
  }

  async deleteQueue(queue: string): Promise<boolean> {
    return this.#broker.deleteQueue(queue);
  }

  consume(options: ConsumeOptions): QueueConsumer {
    return this.#keep(new MemoryConsumer(this.#broker, this.#clock, options));
  }

  createPublisher(options: MessagePublisherOptions): MessagePublisher {
    return this.#keep(new MemoryPublisher(this.#broker, this.#clock, options));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#parts].map((part) => part.close()));
  }

  #keep<T extends { close(): Promise<void> }>(part: T): T {
    this.#parts.add(part);
    return part;
  }
}

function ensureExchange(broker: MemoryBroker, { name, mode }: ExchangeSpec): void {
  if (mode === "passive" && !broker.hasExchange(name))
    throw new WarrenError("TRANSPORT_UNAVAILABLE", `exchange ${name} does not exist yet; start the archiver, which makes it`);
  if (!broker.declareExchange(name)) throw new WarrenError("EXCHANGE_INVALID", `exchange ${name} exists and is not a topic exchange`);
}

class MemoryConsumer implements QueueConsumer {
  readonly #broker: MemoryBroker;
  readonly #clock: Clock;
  readonly #options: ConsumeOptions;
  #existing: boolean;
  #open: { readonly number: number; readonly channel: MemoryChannel } | undefined;
  #channels = 0;
  #told: string | undefined;
  #retry: Timer | undefined;
  #closed = false;
  #paused = false;
  /** Of the next channel alone. */
  #nextPrefetch: number | undefined;

  constructor(broker: MemoryBroker, clock: Clock, options: ConsumeOptions) {
    this.#broker = broker;
    this.#clock = clock;
    this.#options = options;
    this.#existing = options.existing;
    queueMicrotask(() => void this.#tryOpen());
  }

  ackUpTo(channel: number, tag: number): boolean {
    if (this.#open?.number !== channel) return false;
    this.#broker.ack(this.#options.topology.queue.name, this.#open.channel, tag);
    return true;
  }

  pause(): void {
    if (this.#closed || this.#paused) return;
    this.#paused = true;
    this.#release();
  }

  resume(prefetch: number): void {
    if (this.#closed || !this.#paused) return;
    this.#paused = false;
    this.#nextPrefetch = prefetch;
    void this.#tryOpen();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#release();
  }

  #release(): void {
    this.#retry?.cancel();
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    this.#broker.leave(this.#options.topology.queue.name, open.channel);
    queueMicrotask(() => this.#options.handler.closed(open.number, { kind: "closed-by-us", detail: "closed" }));
  }

  async #tryOpen(): Promise<void> {
    const { topology, prefetch, handler, queueMissing } = this.#options;
    if (this.#closed || this.#paused) return;
    try {
      if (this.#broker.resetsSetup()) throw new WarrenError("TRANSPORT_UNAVAILABLE", "the connection was reset while it was set up");
      ensureExchange(this.#broker, topology.exchange);
      if (this.#existing && !this.#broker.hasQueue(topology.queue.name)) await queueMissing();
      this.#broker.declareQueue(topology.exchange.name, topology.queue);
      this.#existing = true;
    } catch (error) {
      const failure = error instanceof WarrenError ? error : new WarrenError("TRANSPORT_UNAVAILABLE", String(error), { cause: error });
      if (this.#told !== failure.message) handler.waiting(failure);
      this.#told = failure.message;
      this.#retry = this.#clock.after(retryMs, () => void this.#tryOpen());
      return;
    }
    if (this.#closed || this.#paused || this.#open !== undefined) return;
    this.#told = undefined;
    this.#channels += 1;
    const number = this.#channels;
    const mine = (): boolean => this.#open?.number === number;
    const channel: MemoryChannel = {
      prefetch: this.#nextPrefetch ?? prefetch,
      unacked: [],
      tags: 0,
      deliver: (delivery) => {
        if (mine()) handler.delivered(number, delivery);
      },
      lost: (kind) => {
        if (mine()) this.#lost(number, { kind, detail: kind });
      },
    };
    this.#nextPrefetch = undefined;
    this.#open = { number, channel };
    handler.opened(number);
    this.#broker.open(topology.queue.name, channel);
  }

  #lost(number: number, reason: ChannelClosed): void {
    this.#open = undefined;
    this.#options.handler.closed(number, reason);
    this.#retry = this.#clock.after(retryMs, () => void this.#tryOpen());
  }
}

interface Pending {
  readonly message: OutgoingMessage;
  readonly settle: (outcome: PublishOutcome) => void;
  readonly deadline: Timer;
}

class MemoryPublisher implements MessagePublisher {
  readonly #broker: MemoryBroker;
  readonly #clock: Clock;
  readonly #options: MessagePublisherOptions;
  #pending: Pending[] = [];
  #bytes = 0;
  #closed = false;
  #emptied: (() => void)[] = [];
  #retry: Timer | undefined;
  readonly #stopListening: () => void;

  constructor(broker: MemoryBroker, clock: Clock, options: MessagePublisherOptions) {
    this.#broker = broker;
    this.#clock = clock;
    this.#options = options;
    this.#stopListening = broker.onBlocked(() => this.#flush());
  }

  get pendingBytes(): number {
    return this.#bytes;
  }

  publish(message: OutgoingMessage): Promise<PublishOutcome> {
    return new Promise((resolve) => this.send(message, resolve));
  }

  send(message: OutgoingMessage, settled: (outcome: PublishOutcome) => void): void {
    if (this.#closed) return settled({ kind: "rejected", error: new WarrenError("CLOSED", "the publisher was closed") });
    const pending: Pending = {
      // The queue keeps it longer than until it is settled.
      message: { ...message, body: message.body.slice() },
      settle: settled,
      deadline: this.#clock.after(this.#options.confirmTimeoutMs ?? Times.publishConfirmMs, () => this.#outOfTime(pending)),
    };
    this.#pending.push(pending);
    this.#bytes += message.body.length;
    setImmediate(() => this.#flush());
    return undefined;
  }

  async drain(): Promise<void> {
    if (this.#pending.length > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#retry?.cancel();
    this.#stopListening();
    for (const pending of this.#pending.splice(0))
      this.#settle(pending, { kind: "rejected", error: new WarrenError("TRANSPORT_UNAVAILABLE", "closed before anything was sent") });
  }

  #flush(): void {
    if (this.#broker.blocked !== undefined || this.#pending.length === 0) return;
    if (!this.#broker.hasExchange(this.#options.exchange)) {
      this.#retry?.cancel();
      this.#retry = this.#clock.after(retryMs, () => this.#flush());
      return;
    }
    for (const pending of this.#pending.splice(0)) {
      const { exchange, routingKey } = pending.message;
      const routed = this.#broker.route(pending.message);
      const text = `no queue of exchange ${exchange} takes ${routingKey}; is the archiver running, and did its queue keep its binding?`;
      this.#settle(pending, routed ? { kind: "ok" } : { kind: "rejected", error: new WarrenError("UNROUTABLE", text) });
    }
  }

  #outOfTime(pending: Pending): void {
    this.#pending = this.#pending.filter((each) => each !== pending);
    const { blocked } = this.#broker;
    const error =
      blocked === undefined
        ? new WarrenError("TRANSPORT_UNAVAILABLE", `exchange ${this.#options.exchange} does not exist; nothing was sent`)
        : new WarrenError("OUTCOME_UNKNOWN", `publishing is blocked: ${blocked}; publish the same id again, it is stored once`);
    this.#settle(pending, { kind: blocked === undefined ? "rejected" : "indeterminate", error });
  }

  #settle(pending: Pending, outcome: PublishOutcome): void {
    this.#bytes -= pending.message.body.length;
    pending.deadline.cancel();
    pending.settle(outcome);
    if (this.#pending.length === 0) for (const resolve of this.#emptied.splice(0)) resolve();
  }
}
