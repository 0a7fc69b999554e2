import { backoffDelay, isWarrenError, type Clock, type Logger } from "@warren/protocol";

/** What waiting needs. */
export interface WaitDeps {
  readonly clock: Clock;
  /** For jitter. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** Resolves after `delayMs`, or when the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = (): void => {
      timer.cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(delayMs, done);
    signal.addEventListener("abort", done, { once: true });
  });
}

/**
 * Runs `prepare` (makes the tables) until it succeeds, waiting with back-off while the database is away; an app starts before its database, and says so
 * once. Throws what else `prepare` throws, and the signal's reason on abort.
 */
export async function waitForStore(prepare: () => Promise<void>, { clock, random, logger }: WaitDeps, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await prepare();
    } catch (error) {
      signal.throwIfAborted();
      if (!isWarrenError(error, "STORE_UNAVAILABLE")) throw error;
      if (attempt === 1) logger.warn("waiting for the database", { error: error.message });
      await pause(clock, backoffDelay(attempt, random), signal);
      signal.throwIfAborted();
    }
  }
}
