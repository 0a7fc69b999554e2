import type { EventLog } from "@warren/event-store";
import type { Logger, Offset } from "@warren/protocol";
import { RegularQuestion } from "./regular-question.ts";

/** A writer that would not learn by itself that another broker took its log. */
export interface Leased {
  readonly receiverId: bigint;
  /** Of its claim; undefined when its next append tells, or it has no log. */
  readonly idleEpoch: bigint | undefined;
  /** What the database has. */
  checked(epoch: bigint, head: Offset): void;
}

/** Asks the database whether idle writers still hold their logs: one question for all of them; see `RegularQuestion`. */
export class LeaseCheck {
  readonly #log: EventLog;
  readonly #question: RegularQuestion;

  constructor({ log, logger }: { readonly log: EventLog; readonly logger: Logger }) {
    this.#log = log;
    this.#question = new RegularQuestion(logger, "leases not checked");
  }

  async run(writers: readonly Leased[], options: { readonly signal: AbortSignal }): Promise<void> {
    const asked = writers.map((writer) => ({ writer, epoch: writer.idleEpoch })).filter(({ epoch }) => epoch !== undefined);
    if (asked.length === 0) return;
    await this.#question.ask(async () => {
      const found = await this.#log.statuses(
        asked.map(({ writer }) => writer.receiverId),
        options,
      );
      for (const { writer, epoch } of asked) {
        const status = found.get(writer.receiverId);
        // One that claimed its log meanwhile has a newer epoch than was read.
        if (status !== undefined && writer.idleEpoch === epoch) writer.checked(status.epoch, status.headOffset);
      }
    }, options);
  }
}
