import { Times } from "@warren/protocol";

/** How often it looks, in milliseconds. */
const lookMs = 1_000;

/**
 * Ends connections whose statement is not answered within `Times.databaseSocketMs`, and up to a second more; the statement then fails as on a connection that broke.
 * `query_timeout` of pg makes a timer and closures for each statement that hold one another, and while code is not optimized yet V8 keeps all of them, and
 * whatever else the statement made, until its next full collection: those of young objects took three times as long.
 */
export class AnswerWatch<Client extends { end(): unknown }> {
  /** When the statement of each was sent, by the monotonic clock in milliseconds. */
  readonly #waiting = new Map<Client, number>();
  #timer: NodeJS.Timeout | undefined;

  /** Sends a statement on a connection, one at a time, and watches until it settles. Settles as it does. */
  async during<T>(client: Client, send: () => Promise<T>): Promise<T> {
    this.#waiting.set(client, performance.now());
    if (this.#timer === undefined) this.#lookLater();
    try {
      return await send();
    } finally {
      this.#waiting.delete(client);
    }
  }

  /** Goes on looking for as long as somebody waits. */
  #look(): void {
    this.#timer = undefined;
    const now = performance.now();
    for (const [client, since] of this.#waiting) {
      if (now - since < Times.databaseSocketMs) continue;
      this.#waiting.delete(client);
      void client.end();
    }
    if (this.#waiting.size > 0) this.#lookLater();
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }
}
