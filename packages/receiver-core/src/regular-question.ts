import { isWarrenError, type Logger } from "@warren/protocol";

/** Something that is asked of the database again and again, once at a time. What was not answered is asked again at the next call. */
export class RegularQuestion {
  readonly #logger: Logger;
  readonly #failed: string;
  #asking = false;

  /** `failed`: what the log says when it was not answered. */
  constructor(logger: Logger, failed: string) {
    this.#logger = logger;
    this.#failed = failed;
  }

  /** Never throws. Nothing happens while it is being asked. */
  async ask(question: () => Promise<void>, { signal }: { readonly signal: AbortSignal }): Promise<void> {
    if (this.#asking) return;
    this.#asking = true;
    try {
      await question();
    } catch (error) {
      if (!isWarrenError(error) && !signal.aborted) this.#logger.error(this.#failed, { error });
      else this.#logger.debug(this.#failed, { error: error instanceof Error ? error.message : String(error) });
    } finally {
      this.#asking = false;
    }
  }
}
