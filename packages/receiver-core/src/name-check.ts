import type { Logger } from "@warren/protocol";
import type { ConsumerRow, StateStore } from "@warren/state-store";
import { RegularQuestion } from "./regular-question.ts";

/** A consumer with a session. */
export interface AwakeName {
  /** Of its session. */
  readonly sessionToken: bigint;
  /** What the state store had of it, asked for when its session had `token`; undefined: nothing. */
  lookedUp(token: bigint, row: ConsumerRow | undefined): void;
}

/**
 * Asks the database what became of the names that have a session: an operator may have moved or deleted one at another broker, and one that saves nothing would not
 * learn it. One question for all of them; see `RegularQuestion`.
 */
export class NameCheck {
  readonly #state: Pick<StateStore, "consumers">;
  readonly #question: RegularQuestion;

  constructor({ state, logger }: { readonly state: Pick<StateStore, "consumers">; readonly logger: Logger }) {
    this.#state = state;
    this.#question = new RegularQuestion(logger, "names not checked");
  }

  async run(names: ReadonlyMap<string, AwakeName>, options: { readonly signal: AbortSignal }): Promise<void> {
    if (names.size === 0) return;
    const asked = [...names].map(([name, consumer]) => ({ name, consumer, token: consumer.sessionToken }));
    await this.#question.ask(async () => {
      const rows = await this.#state.consumers(
        asked.map(({ name }) => name),
        options,
      );
      for (const { name, consumer, token } of asked) consumer.lookedUp(token, rows.get(name));
    }, options);
  }
}
