import { must, UuidSource, WarrenError, type EventDefaults, type NewEvent } from "@warren/protocol";
import type { Transport } from "@warren/transport";
import { allAtOnce, messageSender, openAmqp, packSender } from "./amqp-sender.ts";
import { brokerSender, callByCall } from "./broker-sender.ts";
import { EventLine } from "./event-line.ts";
import type { Line, Sender } from "./line.ts";
import type { EventOutcome } from "./outcome.ts";
import { PackLine } from "./pack-line.ts";

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
  if ("brokerUrl" in options) {
    return new LinePublisher(new EventLine(callByCall), () => Promise.resolve(brokerSender(options.brokerUrl)));
  }
  const { exchange = "warren.events", confirmTimeoutMs } = options;
  const open = async (): Promise<Transport> =>
    "transport" in options ? options.transport : await openAmqp(options.amqpUrl, "warren publisher");
  return options.packing === false
    ? new LinePublisher(new EventLine(allAtOnce), async () => messageSender(await open(), { exchange, confirmTimeoutMs }))
    : new LinePublisher(new PackLine(), async () => packSender(await open(), { exchange, confirmTimeoutMs }));
}

/** Events stand in a line until they go out: what is published in one turn of the event loop travels together. */
class LinePublisher<Parcel> implements Publisher {
  readonly #line: Line<Parcel>;
  readonly #open: () => Promise<Sender<Parcel>>;
  readonly #ids = new UuidSource();
  #opening: Promise<Sender<Parcel>> | undefined;
  #sender: Sender<Parcel> | undefined;
  /** Parcels. */
  #underWay = 0;
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

  constructor(line: Line<Parcel>, open: () => Promise<Sender<Parcel>>) {
    this.#line = line;
    this.#open = open;
  }

  publish(event: NewEvent): Promise<PublishResult> {
    const defaults = this.#defaultsOf(event);
    const { id } = defaults;
    return this.#add(event, defaults).then((outcome) => {
      if (outcome.kind === "ok") return { id };
      throw withId(outcome.error, id);
    });
  }

  async publishAll(events: readonly NewEvent[]): Promise<readonly PublishOutcomeOf[]> {
    const added = events.map((event) => {
      const defaults = this.#defaultsOf(event);
      return { id: defaults.id, outcome: this.#add(event, defaults) };
    });
    // Events of one pack share one.
    const outcomes = new Map<Promise<EventOutcome>, EventOutcome>();
    for (const { outcome } of added) if (!outcomes.has(outcome)) outcomes.set(outcome, await outcome);
    return added.map(({ id, outcome }) => ({ id, ...must(outcomes.get(outcome), "each outcome was awaited") }));
  }

  async drain(): Promise<void> {
    if (this.#underWay > 0 || !this.#line.isEmpty) await new Promise<void>((resolve) => this.#idle.push(resolve));
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

  /** Also of what is none: a program without types may give anything, and is told by its outcome. */
  #defaultsOf(event: NewEvent | undefined): EventDefaults {
    const now = Date.now();
    return { id: event?.id ?? this.#ids.next(now), made: this.#ids, now };
  }

  /** Resolves with what became of it, never rejects. */
  #add(event: NewEvent, defaults: EventDefaults): Promise<EventOutcome> {
    if (this.#closed) return rejected(new WarrenError("CLOSED", "the publisher was closed"));
    try {
      const outcome = this.#line.add(event, defaults);
      this.#schedule();
      return outcome;
    } catch (error) {
      const known = error instanceof WarrenError;
      return rejected(known ? error : new WarrenError("EVENT_INVALID", `event ${defaults.id} cannot be encoded`, { cause: error }));
    }
  }

  /** At the end of this turn of the event loop: what is published together travels together. */
  #schedule(): void {
    if (this.#scheduled || this.#line.isEmpty) return;
    this.#scheduled = true;
    queueMicrotask(this.#flush);
  }

  #sendWaiting(): void {
    const sender = this.#sender;
    if (sender === undefined) return this.#connect();
    for (;;) {
      const parcel = this.#line.take(this.#underWay);
      if (parcel === undefined) return undefined;
      this.#underWay += 1;
      sender.send(parcel, this.#settled);
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
    this.#line.reject(error);
    this.#checkIdle();
  }

  /** Whoever drains goes on when nothing is left: sent, or given up by `close`. */
  #checkIdle(): void {
    if (this.#underWay === 0 && this.#line.isEmpty) for (const resolve of this.#idle.splice(0)) resolve();
  }
}

function rejected(error: WarrenError): Promise<EventOutcome> {
  return Promise.resolve({ kind: "rejected", error });
}

function withId(error: WarrenError, id: string): WarrenError {
  const { code, message } = error;
  return new WarrenError(code, message.includes(id) ? message : `${message} (event ${id})`, { cause: error });
}
