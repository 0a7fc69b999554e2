import { Times } from "@warren/protocol";

interface Waiter {
  readonly enter: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * The places of a pool, given in order. pg-pool counts the time in its queue as time to connect: a database that is busy with many receivers would be taken for one that is
 * away. Here whoever waits is given up only when no place was given back for `Times.databaseConnectMs`.
 */
export class Places {
  #free: number;
  #waiting: Waiter[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when a place is taken; each is to be given back once. Rejects when the pool stays full. */
  async take(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ enter: resolve, fail: reject });
    this.#timer ??= this.#watch();
    await promise;
  }

  /** The next one has it, if one waits. */
  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free += 1;
    else next.enter();
    if (this.#waiting.length > 0) this.#timer?.refresh();
    else this.#rest();
  }

  #watch(): NodeJS.Timeout {
    return setTimeout(() => {
      const waiting = this.#waiting;
      this.#waiting = [];
      this.#rest();
      // As pg-pool says it: nothing was sent.
      for (const { fail } of waiting)
        fail(new Error(`timeout exceeded when trying to connect: all connections are taken, and none came back`));
    }, Times.databaseConnectMs);
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
