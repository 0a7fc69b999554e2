import type { ArchiveStore } from "@warren/event-store/archive";
import { backoffDelay, Limits, type Clock, type IdSource, type Logger } from "@warren/protocol";
import { unpackMessage } from "@warren/protocol/amqp";
import type { ExchangeSpec, QueueConsumer, Transport } from "@warren/transport";
import {
  idleWriter,
  stepWriter,
  type ArchiveBatch,
  type BatchSize,
  type WriterEffect,
  type WriterInput,
  type WriterState,
} from "./machine/writer-machine.ts";

/** What the writer needs. */
export interface ArchiveWriterDeps {
  readonly transport: Transport;
  readonly store: ArchiveStore;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly random: () => number;
  readonly logger: Logger;
}

/** Counters since start. */
export interface ArchiveCounters {
  stored: number;
  repeats: number;
  quarantined: number;
}

/** Of one append: what a commit costs is spread over many events, and it ends well within the time of a statement. */
const batchSize: BatchSize = { events: 2_000, bytes: 4 * 1024 * 1024 };

/** Consumes the archive queue and stores every event once. The machine decides, this shell does. */
export class ArchiveWriter {
  readonly #deps: ArchiveWriterDeps;
  readonly #counters: ArchiveCounters = { stored: 0, repeats: 0, quarantined: 0 };
  #queue: QueueConsumer | undefined;
  #state: WriterState = idleWriter;
  #problem: string | undefined = "the archive queue is not consumed yet";
  #storeProblem: string | undefined;
  #stopped = false;

  constructor(deps: ArchiveWriterDeps) {
    this.#deps = deps;
  }

  get counters(): Readonly<ArchiveCounters> {
    return this.#counters;
  }

  /** What is wrong with RabbitMQ's side, or with the database, now. */
  get problems(): { readonly rabbitmq: string | undefined; readonly database: string | undefined } {
    return { rabbitmq: this.#problem, database: this.#storeProblem };
  }

  /** Declares exchange and queue, and consumes; waits for RabbitMQ, saying so. */
  start(exchange: ExchangeSpec, queueName: string): void {
    const { transport, logger } = this.#deps;
    this.#queue = transport.consume({
      topology: { exchange, queue: { name: queueName, patterns: ["#"], singleActiveConsumer: true } },
      prefetch: Limits.prefetch,
      existing: false,
      queueMissing: () => {
        logger.error("the archive queue was gone; events published meanwhile are not archived", { queue: queueName });
        return Promise.resolve();
      },
      handler: {
        opened: (channel) => {
          this.#problem = undefined;
          logger.info("archiving", { exchange: exchange.name, queue: queueName });
          this.#dispatch({ kind: "opened", channel });
        },
        delivered: (channel, delivery) => {
          const { events, rejected } = unpackMessage(delivery, this.#deps);
          this.#dispatch({ kind: "delivered", channel, message: { tag: delivery.tag, events, rejected } });
        },
        closed: (channel, reason) => {
          this.#problem = `the channel closed (${reason.detail})`;
          this.#dispatch({ kind: "closed", channel });
        },
        waiting: (error) => {
          this.#problem = error.message;
          logger.warn("archiver waits", { code: error.code, error: error.message });
        },
      },
    });
  }

  /** Stops consuming; what is not acked goes back to the queue. Twice is fine. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#queue?.close();
  }

  #dispatch(input: WriterInput): void {
    const { state, effects } = stepWriter(this.#state, input, batchSize);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: WriterEffect): void {
    switch (effect.kind) {
      case "append":
        void this.#append(effect.batch);
        return;
      case "ack":
        this.#queue?.ackUpTo(effect.channel, effect.tag);
        return;
      case "retry-later":
        if (!this.#stopped)
          this.#deps.clock.after(backoffDelay(effect.attempt, this.#deps.random), () => this.#dispatch({ kind: "retry" }));
    }
  }

  async #append({ events, quarantined }: ArchiveBatch): Promise<void> {
    try {
      const result = await this.#deps.store.append(events, quarantined);
      if (result.kind === "refused") {
        const size = { events: events.length, quarantined: quarantined.length };
        this.#deps.logger.warn("the database refuses a batch; what it refuses is looked for and set aside", {
          detail: result.detail,
          ...size,
        });
        return this.#dispatch(result);
      }
      const { stored, repeats, conflicts } = result;
      this.#storeProblem = undefined;
      this.#counters.stored += stored;
      this.#counters.repeats += repeats;
      this.#counters.quarantined += conflicts + quarantined.length;
      this.#dispatch({ kind: "stored" });
    } catch (error) {
      if (this.#stopped) return;
      this.#storeProblem = error instanceof Error ? error.message : String(error);
      this.#deps.logger.warn("batch not archived; it is tried again", { error: this.#storeProblem });
      this.#dispatch({ kind: "failed" });
    }
  }
}
