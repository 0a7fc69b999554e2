import { Writable } from "node:stream";
import { backoffDelay, Limits, Times, WarrenError, type Clock, type Logger } from "@warren/protocol";
import { connect, type Channel, type ChannelModel, type ConfirmChannel } from "amqplib";
import type { TransportStatus } from "../transport.ts";
import { messageOf, unavailable } from "./amqp-errors.ts";
import { closeQuietly } from "./close-quietly.ts";

/** What a connection needs. */
export interface AmqpConnectionDeps {
  readonly url: string;
  /** Shown in RabbitMQ's management page. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/**
 * One connection to RabbitMQ, made on first use and made again, with back-off, until closed. Our own loop rather than amqplib's recovery: that one
 * does not restore channels, leaves an error between connect and set-up without a listener, and has two of its states hidden from us
 * (amqplib 2.3.1, lib/recovery.js).
 */
export class AmqpConnection {
  readonly #deps: AmqpConnectionDeps;
  readonly #listeners = new Set<(status: TransportStatus) => void>();
  #status: TransportStatus = { kind: "connecting" };
  #connecting: Promise<ChannelModel> | undefined;
  #model: ChannelModel | undefined;
  #socket: Writable | undefined;
  #corked = false;
  #closed = false;
  #attempt = 0;

  constructor(deps: AmqpConnectionDeps) {
    this.#deps = deps;
  }

  get status(): TransportStatus {
    return this.#status;
  }

  onStatus(listener: (status: TransportStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The open connection, or one try to open it. Throws TRANSPORT_UNAVAILABLE, or CLOSED. */
  async model(): Promise<ChannelModel> {
    if (this.#closed) throw new WarrenError("CLOSED", "the transport was closed");
    if (this.#model !== undefined) return this.#model;
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return this.#connecting;
  }

  /** A fresh channel whose errors are heard. */
  async channel(): Promise<Channel> {
    const model = await this.model();
    return this.#open(() => model.createChannel());
  }

  /** A fresh channel with confirms whose errors are heard. */
  async confirmChannel(): Promise<ConfirmChannel> {
    const model = await this.model();
    return this.#open(() => model.createConfirmChannel());
  }

  /**
   * What is written in this turn of the event loop leaves in one piece, when amqplib hands it to the socket: else each frame is a system call and a TCP packet of
   * its own. Delays nothing.
   */
  cork(): void {
    if (this.#corked || this.#socket === undefined) return;
    const socket = this.#socket;
    this.#corked = true;
    socket.cork();
    // amqplib writes in an immediate of its own, which it asks for in the next tick.
    process.nextTick(() =>
      setImmediate(() => {
        this.#corked = false;
        socket.uncork();
      }),
    );
  }

  /** How long to wait before the next try, in milliseconds. */
  nextDelay(attempt: number): number {
    return backoffDelay(attempt, this.#deps.random);
  }

  /** Major version of the server; 0 before the first connection. */
  get serverMajor(): number {
    return Number(this.#model?.connection.serverProperties.version.split(".")[0] ?? 0);
  }

  /** Twice is fine. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const model = this.#model ?? (await this.#connecting?.catch(() => undefined));
    this.#set({ kind: "closed" });
    if (model !== undefined) await closeQuietly(model);
  }

  async #open<C extends Channel>(create: () => Promise<C>): Promise<C> {
    try {
      const channel = await create();
      // Without a listener one bad ack would end the whole connection.
      channel.on("error", (error) => this.#deps.logger.debug("channel error", { error: error.message }));
      return channel;
    } catch (error) {
      throw unavailable(error);
    }
  }

  async #connect(): Promise<ChannelModel> {
    const { url, name, logger } = this.#deps;
    const address = new URL(url);
    if (!address.searchParams.has("heartbeat")) address.searchParams.set("heartbeat", String(Times.amqpHeartbeatMs / 1000));
    // What we negotiate is far below; a server that sends more is none, and must not make us wait for, and hold, gigabytes.
    if (!address.searchParams.has("frameMax") && !address.searchParams.has("maxFrameSize")) {
      address.searchParams.set("maxFrameSize", String(Limits.amqpFrameBytes));
    }
    let model: ChannelModel;
    try {
      model = await connect(address.href, { timeout: Times.amqpConnectMs, noDelay: true, clientProperties: { connection_name: name } });
    } catch (error) {
      this.#attempt += 1;
      const failure = unavailable(error);
      this.#set({ kind: "connecting", error: failure });
      if (this.#attempt === 1) logger.warn("RabbitMQ does not answer", { error: failure.message });
      throw failure;
    }
    let reason: unknown;
    model.on("error", (error) => (reason = error));
    model.on("close", (error) => this.#lost(model, error ?? reason));
    model.on("blocked", (why) => {
      logger.warn("RabbitMQ blocks publishing", { reason: why });
      this.#set({ kind: "blocked", reason: why });
    });
    model.on("unblocked", () => this.#set({ kind: "connected" }));
    if (this.#closed) {
      await closeQuietly(model);
      throw new WarrenError("CLOSED", "the transport was closed");
    }
    this.#attempt = 0;
    this.#model = model;
    // Not in amqplib's types. A copy of it that has none is served as well, with more system calls.
    const stream: unknown = "stream" in model.connection ? model.connection.stream : undefined;
    const socket = stream instanceof Writable ? stream : undefined;
    this.#socket = socket;
    // What waited for room leaves in one piece as well: amqplib writes it in its own listener, which lies between these two.
    socket?.prependListener("drain", () => socket.cork());
    socket?.on("drain", () => socket.uncork());
    logger.info("connected to RabbitMQ", { connection: name, version: model.connection.serverProperties.version });
    this.#set({ kind: "connected" });
    return model;
  }

  #lost(model: ChannelModel, error: unknown): void {
    if (this.#model !== model) return;
    this.#model = undefined;
    this.#socket = undefined;
    if (this.#closed) return;
    const failure = unavailable(error ?? new Error("connection closed"));
    this.#deps.logger.warn("connection to RabbitMQ lost", { error: messageOf(error) });
    this.#set({ kind: "connecting", error: failure });
  }

  #set(status: TransportStatus): void {
    this.#status = status;
    for (const listener of this.#listeners) listener(status);
  }
}
