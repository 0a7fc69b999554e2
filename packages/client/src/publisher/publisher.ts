import { EventEncoder, Limits, toEventFields, WarrenError, type EventFields, type EventSlice, type NewEvent } from "@warren/protocol";
import type { Transport } from "@warren/transport";
import { V7Generator } from "uuidv7";
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

/** Makes a publisher. Connects on first use. */
export function createPublisher(options: PublisherOptions): Publisher {
  return new BatchingPublisher(options);
}

class BatchingPublisher implements Publisher {
  readonly #options: PublisherOptions;
  /** Only packs are made of encoded events. */
  readonly #packs: boolean;
  readonly #encoder = new EventEncoder();
  readonly #newId = idSource();
  #opening: Promise<Sender> | undefined;
  #sender: Sender | undefined;
  /** In the order in which they were published. */
  #waiting: OutgoingEvent[] = [];
  /** Messages. */
  #underWay = 0;
  #bytes = 0;
  #scheduled = false;
  #closed = false;
  #idle: (() => void)[] = [];
  readonly #flush = (): void => {
    this.#scheduled = false;
    this.#sendWaiting();
  };
  readonly #settled = (): void => {
    this.#underWay -= 1;
    // What waits goes out when those who were told now have published more.
    this.#schedule();
    this.#checkIdle();
  };

  constructor(options: PublisherOptions) {
    this.#options = options;
    this.#packs = !("brokerUrl" in options) && options.packing !== false;
  }

  publish(event: NewEvent): Promise<PublishResult> {
    return new Promise((resolve, reject) => {
      const id = event.id ?? this.#newId();
      this.#enqueue(event, id, (outcome) => {
        if (outcome.kind === "ok") resolve({ id });
        else reject(withId(outcome.error, id));
      });
    });
  }

  publishAll(events: readonly NewEvent[]): Promise<readonly PublishOutcomeOf[]> {
    if (events.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const outcomes: PublishOutcomeOf[] = [];
      outcomes.length = events.length;
      let unknown = events.length;
      events.forEach((event, index) => {
        const id = event.id ?? this.#newId();
        this.#enqueue(event, id, (outcome) => {
          outcomes[index] = { id, ...outcome };
          unknown -= 1;
          if (unknown === 0) resolve(outcomes);
        });
      });
    });
  }

  async drain(): Promise<void> {
    if (this.#underWay > 0 || this.#waiting.length > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#rejectWaiting(new WarrenError("CLOSED", "the publisher was closed; the event was not sent"));
    await (await this.#opening?.catch(() => undefined))?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.drain();
  }

  #enqueue(event: NewEvent, id: string, told: (outcome: EventOutcome) => void): void {
    const reject = (error: WarrenError): void => told({ kind: "rejected", error });
    if (this.#closed) return reject(new WarrenError("CLOSED", "the publisher was closed"));
    let message: EventFields;
    let slice: EventSlice | undefined;
    let size: number;
    try {
      message = toEventFields(event, { id, now: new Date() });
      slice = this.#packs ? this.#encoder.encode(message) : undefined;
      size = slice?.bytes.length ?? this.#encoder.check(message);
    } catch (error) {
      return reject(
        error instanceof WarrenError ? error : new WarrenError("EVENT_INVALID", `event ${id} cannot be encoded`, { cause: error }),
      );
    }
    if (this.#bytes + size > Limits.publisherBufferBytes && this.#bytes > 0) {
      const text = `${this.#bytes} bytes wait to be confirmed; await the events under way, or publish again later`;
      return reject(new WarrenError("BUFFER_FULL", text));
    }
    this.#bytes += size;
    const settle = (outcome: EventOutcome): void => {
      this.#bytes -= size;
      told(outcome);
    };
    this.#waiting.push({ event: message, size, slice, settle });
    this.#schedule();
    return undefined;
  }

  /** At the end of this turn of the event loop: what is published together travels together. */
  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  #sendWaiting(): void {
    const sender = this.#sender;
    if (sender === undefined) return this.#connect();
    for (;;) {
      const count = this.#waiting.length === 0 ? 0 : sender.next(this.#waiting, this.#underWay);
      if (count === 0) return undefined;
      this.#underWay += 1;
      sender.send(this.#waiting.splice(0, count), this.#settled);
    }
  }

  /** What waits is sent when there is a way; without one it is rejected, and what is published later tries again. */
  #connect(): void {
    if (this.#opening !== undefined || this.#closed) return;
    const opening = this.#open();
    this.#opening = opening;
    opening.then(
      (sender) => {
        this.#sender = sender;
        this.#sendWaiting();
      },
      (error: unknown) => {
        this.#opening = undefined;
        const text = "cannot open the way to RabbitMQ";
        this.#rejectWaiting(error instanceof WarrenError ? error : new WarrenError("TRANSPORT_UNAVAILABLE", text, { cause: error }));
      },
    );
  }

  #rejectWaiting(error: WarrenError): void {
    for (const { settle } of this.#waiting.splice(0)) settle({ kind: "rejected", error });
    this.#checkIdle();
  }

  /** Whoever drains goes on when nothing is left: sent, or given up by `close`. */
  #checkIdle(): void {
    if (this.#underWay === 0 && this.#waiting.length === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #open(): Promise<Sender> {
    const { exchange = "warren.events", confirmTimeoutMs } = this.#options;
    if ("brokerUrl" in this.#options) return brokerSender(this.#options.brokerUrl);
    const transport = "transport" in this.#options ? this.#options.transport : await openAmqp(this.#options.amqpUrl, "warren publisher");
    return amqpSender(transport, { exchange, confirmTimeoutMs, packing: this.#packs });
  }
}

function withId(error: WarrenError, id: string): WarrenError {
  const { code, message } = error;
  return new WarrenError(code, message.includes(id) ? message : `${message} (event ${id})`, { cause: error });
}

/** Makes UUIDv7s. Random numbers are drawn for many at once: one call costs as much as an event. */
function idSource(): () => string {
  const numbers = new Uint32Array(1024);
  let next = numbers.length;
  const nextUint32 = (): number => {
    if (next === numbers.length) {
      crypto.getRandomValues(numbers);
      next = 0;
    }
    next += 1;
    return numbers[next - 1] ?? 0;
  };
  const generator = new V7Generator({ nextUint32 });
  return () => generator.generate().toString();
}
