import type { EventLog } from "@warren/event-store";
import { isWarrenError, type Logger, type Offset } from "@warren/protocol";

/** A writer that would not learn by itself that another broker took its log. */
export interface Leased {
  readonly receiverId: bigint;
  /** Of its claim; undefined when its next append tells, or it has no log. */
  readonly idleEpoch: bigint | undefined;
  /** What the database has. */
  checked(epoch: bigint, head: Offset): void;
}

/** Asks the database whether idle writers still hold their logs: one question for all of them, one at a time. Never throws; what was not answered is asked again at the next call. */
export class LeaseCheck {
  readonly #deps: { readonly log: EventLog; readonly logger: Logger };
  #asking = false;

  constructor(deps: { readonly log: EventLog; readonly logger: Logger }) {
    this.#deps = deps;
  }

  async run(writers: readonly Leased[], options: { readonly signal: AbortSignal }): Promise<void> {
    const asked = writers.map((writer) => ({ writer, epoch: writer.idleEpoch })).filter(({ epoch }) => epoch !== undefined);
    if (this.#asking || asked.length === 0) return;
    this.#asking = true;
    try {
      const { log } = this.#deps;
      const found = await log.statuses(
        asked.map(({ writer }) => writer.receiverId),
        options,
      );
      for (const { writer, epoch } of asked) {
        const status = found.get(writer.receiverId);
        // One that claimed its log meanwhile has a newer epoch than was read.
        if (status !== undefined && writer.idleEpoch === epoch) writer.checked(status.epoch, status.headOffset);
      }
    } catch (error) {
      if (!isWarrenError(error) && !options.signal.aborted) this.#deps.logger.error("leases not checked", { error });
      else this.#deps.logger.debug("leases not checked", { error: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#asking = false;
    }
  }
}
