import { encodeEvent, Limits, toEvent, WarrenError, type NewEvent } from "@warren/protocol";
import type { Transport } from "@warren/transport";
import { uuidv7 } from "uuidv7";
import { amqpSender, openAmqp } from "./amqp-sender.ts";
import { brokerSender } from "./broker-sender.ts";
import type { EventOutcome, OutgoingEvent, Sender } from "./sender.ts";

/** Where and how to publish: straight to RabbitMQ (`amqpUrl`), through the broker (`brokerUrl`), or on a transport at hand. */
export type PublisherOptions = (
  | { readonly amqpUrl: string }
  | { readonly brokerUrl: string }
  /** For tests and programs that bring their own; closed with the publisher. */
  | { readonly transport: Transport }
) & {
  /** Default "warren.events". Not used with `brokerUrl`. */
  readonly exchange?: string | undefined;
  /** Default true: events that wait at the same moment travel in one AMQP message. False when foreign programs read the exchange. */
  readonly packing?: boolean | undefined;
  /**
   * How long to wait for RabbitMQ's confirm, in milliseconds, also while it is away or blocks publishing. Default 15 000. Not used with `brokerUrl`: there the
   * broker's deadline counts.
   */
  readonly confirmTimeoutMs?: number | undefined;
};

/** A published event: RabbitMQ has it durably. */
export interface PublishResult {
  readonly id: string;
}

/** What became of one of several events. */
export type PublishOutcomeOf = { readonly id: string } & EventOutcome;

/** Publishes events, in order. */
export interface Publisher extends AsyncDisposable {
  /**
   * Resolves when RabbitMQ has the event: awaiting it is the back-pressure. Throws EVENT_INVALID, TOO_LARGE, UNROUTABLE, TRANSPORT_UNAVAILABLE (it is in no queue),
   * BUFFER_FULL (16 MiB wait to be confirmed: it is refused at once, never kept), or OUTCOME_UNKNOWN: it may be stored or not, and publishing the same id again is
   * safe; the error's message has the id.
   */
  publish(event: NewEvent): Promise<PublishResult>;
  /** Publishes several, consecutively. Never throws for one of them: says for each what became of it. */
  publishAll(events: readonly NewEvent[]): Promise<readonly PublishOutcomeOf[]>;
  /** Waits until the outcome of all events is known, then closes. Twice is fine. */
  drain(): Promise<void>;
  /** Closes now; what is not confirmed becomes OUTCOME_UNKNOWN. Twice is fine. */
  close(): Promise<void>;
}

interface Waiting extends OutgoingEvent {
  readonly settle: (outcome: EventOutcome) => void;
}

/** Packs under way at once: what is published meanwhile is the next pack, so that a busy publisher packs more and an idle one never waits. */
const packsUnderWay = 8;

/** Makes a publisher. Connects on first use. */
export function createPublisher(options: PublisherOptions): Publisher {
  return new BatchingPublisher(options);
}

class BatchingPublisher implements Publisher {
  readonly #options: PublisherOptions;
  #sender: Promise<Sender> | undefined;
  #waiting: Waiting[] = [];
  #underWay = 0;
  #bytes = 0;
  #scheduled = false;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  async publish(event: NewEvent): Promise<PublishResult> {
    const [outcome] = await this.publishAll([event]);
    if (outcome === undefined) throw new WarrenError("ILLEGAL_STATE", "an event without an outcome");
    if (outcome.kind === "ok") return { id: outcome.id };
    const { code, message } = outcome.error;
    throw new WarrenError(code, message.includes(outcome.id) ? message : `${message} (event ${outcome.id})`, { cause: outcome.error });
  }

  publishAll(events: readonly NewEvent[]): Promise<readonly PublishOutcomeOf[]> {
    return Promise.all(
      events.map(async (event) => {
        const id = event.id ?? uuidv7();
        return { id, ...(await this.#enqueue(event, id)) };
      }),
    );
  }

  async drain(): Promise<void> {
    if (this.#underWay > 0 || this.#waiting.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const error = new WarrenError("CLOSED", "the publisher was closed; the event was not sent");
    for (const { settle } of this.#waiting.splice(0)) settle({ kind: "rejected", error });
    this.#checkIdle();
    await (await this.#sender?.catch(() => undefined))?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #enqueue(event: NewEvent, id: string): Promise<EventOutcome> {
    const reject = (error: WarrenError): Promise<EventOutcome> => Promise.resolve({ kind: "rejected", error });
    if (this.#closed) return reject(new WarrenError("CLOSED", "the publisher was closed"));
    let outgoing: OutgoingEvent;
    try {
      const message = toEvent(event, { id, now: new Date() });
      outgoing = { event: message, slice: encodeEvent(message) };
    } catch (error) {
      return reject(
        error instanceof WarrenError ? error : new WarrenError("EVENT_INVALID", `event ${id} cannot be encoded`, { cause: error }),
      );
    }
    const size = outgoing.slice.bytes.length;
    if (this.#bytes + size > Limits.publisherBufferBytes && this.#bytes > 0) {
      const text = `${this.#bytes} bytes wait to be confirmed; await the events under way, or publish again later`;
      return reject(new WarrenError("BUFFER_FULL", text));
    }
    this.#bytes += size;
    const { promise, resolve } = Promise.withResolvers<EventOutcome>();
    const settle = (outcome: EventOutcome): void => {
      this.#bytes -= size;
      resolve(outcome);
    };
    this.#waiting.push({ ...outgoing, settle });
    this.#schedule();
    return promise;
  }

  /** At the end of this turn of the event loop: what is published together travels together. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay >= packsUnderWay || this.#waiting.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      void this.#send(this.#waiting.splice(0));
    });
  }

  async #send(batch: readonly Waiting[]): Promise<void> {
    if (batch.length === 0) return;
    this.#underWay += 1;
    try {
      this.#sender ??= this.#open();
      const outcomes = await (await this.#sender).send(batch);
      batch.forEach(({ settle }, index) => settle(outcomes[index] ?? missing()));
    } catch (error) {
      this.#sender = undefined;
      const failure =
        error instanceof WarrenError
          ? error
          : new WarrenError("TRANSPORT_UNAVAILABLE", "cannot open the way to RabbitMQ", { cause: error });
      for (const { settle } of batch) settle({ kind: "rejected", error: failure });
    }
    this.#underWay -= 1;
    this.#schedule();
    this.#checkIdle();
  }

  /** Whoever drains goes on when nothing is left: sent, or given up by `close`. */
  #checkIdle(): void {
    if (this.#underWay === 0 && this.#waiting.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #open(): Promise<Sender> {
    const { exchange = "warren.events", packing = true, confirmTimeoutMs } = this.#options;
    if ("brokerUrl" in this.#options) return brokerSender(this.#options.brokerUrl);
    const transport = "transport" in this.#options ? this.#options.transport : await openAmqp(this.#options.amqpUrl, "warren publisher");
    return amqpSender(transport, { exchange, confirmTimeoutMs, packing });
  }
}

function missing(): EventOutcome {
  return {
    kind: "indeterminate",
    error: new WarrenError("OUTCOME_UNKNOWN", "no outcome was told; publish the same id again, it is stored once"),
  };
}
