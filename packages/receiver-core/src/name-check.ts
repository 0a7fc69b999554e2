import { isWarrenError, type Logger } from "@warren/protocol";
import type { ConsumerRow, StateStore } from "@warren/state-store";

/** A consumer with a session. */
export interface AwakeName {
  /** Of its session. */
  readonly sessionToken: bigint;
  /** What the state store had of it, asked for when its session had `token`; undefined: nothing. */
  lookedUp(token: bigint, row: ConsumerRow | undefined): void;
}

/**
 * Asks the database what became of the names that have a session: an operator may have moved or deleted one at another broker, and one that saves
 * nothing would not learn it. One question for all of them, one at a time. Never throws; what was not answered is asked again at the next call.
 */
export class NameCheck {
  readonly #deps: { readonly state: Pick<StateStore, "consumers">; readonly logger: Logger };
  #asking = false;

  constructor(deps: { readonly state: Pick<StateStore, "consumers">; readonly logger: Logger }) {
    this.#deps = deps;
  }

  async run(names: ReadonlyMap<string, AwakeName>, options: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#asking || names.size === 0) return;
    const asked = [...names].map(([name, consumer]) => ({ name, consumer, token: consumer.sessionToken }));
    this.#asking = true;
    try {
      const { state } = this.#deps;
      const rows = await state.consumers(
        asked.map(({ name }) => name),
        options,
      );
      for (const { name, consumer, token } of asked) consumer.lookedUp(token, rows.get(name));
    } catch (error) {
      if (!isWarrenError(error) && !options.signal.aborted) this.#deps.logger.error("names not checked", { error });
      else this.#deps.logger.debug("names not checked", { error: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#asking = false;
    }
  }
}
