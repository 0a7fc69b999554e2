import { must, Times, WarrenError, type Clock, type Logger, type Timer } from "@warren/protocol";
import type { ConfirmChannel, Message } from "amqplib";
import {
  emptyWindow,
  stepWindow,
  type WindowEffect,
  type WindowInput,
  type WindowOutcome,
  type WindowState,
} from "../machine/confirm-window.ts";
import type { MessagePublisher, MessagePublisherOptions, OutgoingMessage, PublishOutcome } from "../transport.ts";
import type { AmqpConnection } from "./amqp-connection.ts";
import { messageOf, unavailable } from "./amqp-errors.ts";
import { HeaderTable, toPublishOptions } from "./amqp-message.ts";
import { ensureExchange } from "./amqp-topology.ts";
import { closeQuietly } from "./close-quietly.ts";

/** What a publisher needs. */
export interface AmqpPublisherDeps {
  readonly connection: AmqpConnection;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Pending {
  readonly message: OutgoingMessage;
  readonly settle: (outcome: PublishOutcome) => void;
  /** When it is out of time, by the monotonic clock. */
  readonly deadline: number;
}

const ok: PublishOutcome = { kind: "ok" };

/** Publishes on a confirm channel, and keeps what is not confirmed to send it again. The window machine decides, this shell writes. */
export class AmqpPublisher implements MessagePublisher {
  readonly #deps: AmqpPublisherDeps;
  readonly #options: MessagePublisherOptions;
  /** By number, the oldest first: it is out of time first. */
  readonly #pending = new Map<number, Pending>();
  /** One timer for all: runs while something is pending. */
  #sweep: Timer | undefined;
  readonly #headers = new HeaderTable();
  #state: WindowState = emptyWindow;
  #channel: ConfirmChannel | undefined;
  #seq = 0;
  #attempt = 0;
  #bytes = 0;
  #opening = false;
  #closed = false;
  #lastError: WarrenError | undefined;
  #emptied: (() => void)[] = [];

  constructor(deps: AmqpPublisherDeps, options: MessagePublisherOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  get pendingBytes(): number {
    return this.#bytes;
  }

  publish(message: OutgoingMessage): Promise<PublishOutcome> {
    return new Promise((resolve) => this.send(message, resolve));
  }

  send(message: OutgoingMessage, settled: (outcome: PublishOutcome) => void): void {
    if (this.#closed) return settled({ kind: "rejected", error: new WarrenError("CLOSED", "the publisher was closed") });
    this.#seq += 1;
    const seq = this.#seq;
    const timeout = this.#options.confirmTimeoutMs ?? Times.publishConfirmMs;
    this.#pending.set(seq, { message, settle: settled, deadline: this.#deps.clock.monotonicMs() + timeout });
    this.#sweep ??= this.#deps.clock.after(timeout, () => this.#outOfTime());
    this.#bytes += message.body.length;
    this.#dispatch({ kind: "publish", seq });
    if (this.#channel === undefined) void this.#open();
    return undefined;
  }

  async drain(): Promise<void> {
    if (this.#pending.size > 0) await new Promise<void>((resolve) => this.#emptied.push(resolve));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#dispatch({ kind: "close" });
    const channel = this.#channel;
    this.#channel = undefined;
    if (channel !== undefined) await closeQuietly(channel);
  }

  #dispatch(input: WindowInput): void {
    let { state, effects } = stepWindow(this.#state, input);
    this.#state = state;
    for (;;) {
      let sent = false;
      for (const effect of effects) sent = this.#run(effect) || sent;
      if (!sent) return;
      // The channel took it: is there another?
      ({ state, effects } = stepWindow(this.#state, { kind: "drained" }));
      this.#state = state;
    }
  }

  /** Settles what is out of time: all wait equally long, so the oldest come first. */
  #outOfTime(): void {
    const now = this.#deps.clock.monotonicMs();
    const due: number[] = [];
    for (const [seq, { deadline }] of this.#pending) {
      if (deadline > now) break;
      due.push(seq);
    }
    for (const seq of due) this.#dispatch({ kind: "out-of-time", seq });
    this.#sweep?.cancel();
    const [oldest] = this.#pending.values();
    this.#sweep = oldest === undefined ? undefined : this.#deps.clock.after(oldest.deadline - now, () => this.#outOfTime());
  }

  /** Whether the next message may be written at once. */
  #run(effect: WindowEffect): boolean {
    if (effect.kind === "settle") {
      this.#settle(effect.seq, effect.outcome);
      return false;
    }
    const { seq } = effect;
    const { message } = must(this.#pending.get(seq), `message ${seq} is in the window`);
    const channel = this.#channel;
    if (channel === undefined) return false;
    try {
      const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength);
      const more = channel.publish(message.exchange, message.routingKey, body, toPublishOptions(message, seq, this.#headers), (error) => {
        if (this.#channel !== channel) return;
        if (error === null || error === undefined) this.#dispatch({ kind: "confirmed", seq });
        // A channel that closes calls back with another error, before it says that it closed: that is no answer of RabbitMQ, the message is sent again.
        else if (messageOf(error) === "message nacked") this.#dispatch({ kind: "nacked", seq });
      });
      this.#deps.connection.cork();
      if (!more) this.#state = stepWindow(this.#state, { kind: "full" }).state;
      return more;
    } catch (error) {
      if (error instanceof Error && error.name === "IllegalOperationError") {
        this.#state = stepWindow(this.#state, { kind: "closed" }).state;
        return false;
      }
      this.#lastError = new WarrenError("EVENT_INVALID", `the message cannot be written (${messageOf(error)})`, { cause: error });
      this.#dispatch({ kind: "unwritable", seq });
      return true;
    }
  }

  #settle(seq: number, outcome: WindowOutcome): void {
    const pending = must(this.#pending.get(seq), `message ${seq} is pending`);
    this.#pending.delete(seq);
    this.#bytes -= pending.message.body.length;
    if (this.#pending.size === 0) {
      this.#sweep?.cancel();
      this.#sweep = undefined;
    }
    pending.settle(outcome === "ok" ? ok : this.#outcomeOf(outcome, pending.message));
    if (this.#pending.size > 0) return;
    const emptied = this.#emptied;
    this.#emptied = [];
    for (const resolve of emptied) resolve();
  }

  #outcomeOf(outcome: WindowOutcome, { exchange, routingKey }: OutgoingMessage): PublishOutcome {
    switch (outcome) {
      case "ok":
        return ok;
      case "returned": {
        const text = `no queue of exchange ${exchange} takes ${routingKey}; is the archiver running, and did its queue keep its binding?`;
        return { kind: "rejected", error: new WarrenError("UNROUTABLE", text) };
      }
      case "unwritable":
        return { kind: "rejected", error: this.#lastError ?? new WarrenError("EVENT_INVALID", "the message cannot be written") };
      case "never-sent":
        return {
          kind: "rejected",
          error: this.#lastError ?? new WarrenError("TRANSPORT_UNAVAILABLE", "RabbitMQ was not reached; nothing was sent"),
        };
      case "returned-after-loss":
      case "nacked":
      case "out-of-time":
      case "closed": {
        const { status } = this.#deps.connection;
        const why = status.kind === "blocked" ? `RabbitMQ blocks publishing: ${status.reason}` : `${outcome}, no confirm`;
        return { kind: "indeterminate", error: new WarrenError("OUTCOME_UNKNOWN", `${why}; publish the same id again, it is stored once`) };
      }
    }
  }

  async #open(): Promise<void> {
    if (this.#opening || this.#closed) return;
    this.#opening = true;
    try {
      await ensureExchange(this.#deps.connection, { name: this.#options.exchange, mode: "passive" });
      const channel = await this.#deps.connection.confirmChannel();
      channel.on("return", (message: Message) => this.#dispatch({ kind: "returned", seq: Number(message.properties.correlationId) }));
      channel.on("drain", () => this.#channel === channel && this.#dispatch({ kind: "drained" }));
      channel.on("close", () => this.#lost(channel));
      this.#channel = channel;
      this.#attempt = 0;
      this.#lastError = undefined;
    } catch (error) {
      this.#attempt += 1;
      this.#lastError = error instanceof WarrenError ? error : unavailable(error);
      this.#again();
      return;
    } finally {
      this.#opening = false;
    }
    this.#dispatch({ kind: "opened" });
  }

  #lost(channel: ConfirmChannel): void {
    if (this.#channel !== channel) return;
    this.#channel = undefined;
    this.#dispatch({ kind: "closed" });
    this.#again();
  }

  /** Opens again only while something waits: an idle publisher needs no channel. */
  #again(): void {
    if (this.#closed || this.#pending.size === 0) return;
    const delay = this.#attempt === 0 ? 0 : this.#deps.connection.nextDelay(this.#attempt);
    this.#deps.clock.after(delay, () => void this.#open());
  }
}
