import { Times } from "@warren/protocol";

/** A connection that is watched. */
interface Watched {
  /** When its statement was sent, by the monotonic clock in milliseconds; 0: it has none. */
  since: number;
  readonly end: () => unknown;
}

/** How often it looks, in milliseconds. */
const lookMs = 1_000;

/**
 * Ends connections whose statement is not answered within `Times.databaseSocketMs`, and up to a second more; the statement then fails as on a connection that broke.
 * `query_timeout` of pg makes a timer and closures for each statement that hold one another, and while code is not optimized yet V8 keeps all of them, and
 * whatever else the statement made, until its next full collection: those of young objects took three times as long.
 */
export class AnswerWatch<Client extends { end(): unknown }> {
  readonly #connected = new Map<Client, Watched>();
  #timer: NodeJS.Timeout | undefined;

  /** A connection was made. */
  add(client: Client): void {
    this.#connected.set(client, { since: 0, end: () => client.end() });
  }

  /** It is no more. */
  remove(client: Client): void {
    this.#connected.delete(client);
  }

  /** Sends a statement on it, one at a time, and watches until it settles. Settles as it does. */
  async during<T>(client: Client, send: () => Promise<T>): Promise<T> {
    const watched = this.#connected.get(client);
    if (watched === undefined) return send();
    watched.since = performance.now();
    if (this.#timer === undefined) this.#lookLater();
    try {
      return await send();
    } finally {
      watched.since = 0;
    }
  }

  /** Goes on looking for as long as somebody waits. */
  #look(): void {
    this.#timer = undefined;
    const waiting = [...this.#connected.values()].filter(({ since }) => since > 0);
    const now = performance.now();
    for (const watched of waiting) {
      if (now - watched.since < Times.databaseSocketMs) continue;
      watched.since = 0;
      void watched.end();
    }
    if (waiting.length > 0) this.#lookLater();
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }
}
