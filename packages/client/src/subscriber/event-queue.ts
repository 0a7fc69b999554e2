/** Items that are made when they are taken: so the thousands that wait are nothing that the garbage collector would have to go through. */
export interface Run<T> {
  readonly length: number;
  at(index: number): T | undefined;
}

/** Hands items from one producer to consumers in order. `push` resolves when the queue is short enough for more: that is the back-pressure. */
export class EventQueue<T> {
  readonly #limit: number;
  /** Those with something left. */
  readonly #runs: Run<T>[] = [];
  /** Of the first run, so many were taken. */
  #taken = 0;
  /** Items of all runs that were not taken. */
  #waiting = 0;
  #takers: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #failures: ((error: unknown) => void)[] = [];
  #room: (() => void)[] = [];
  #end: { readonly error: unknown } | undefined;

  /** `limit`: items that may wait before a producer has to. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds what an array holds, or what a run makes. */
  async push(run: Run<T>): Promise<void> {
    if (this.#end !== undefined || run.length === 0) return;
    this.#runs.push(run);
    this.#waiting += run.length;
    while (this.#takers.length > 0) {
      const item = this.takeNow();
      if (item === undefined) break;
      this.#failures.shift();
      this.#takers.shift()?.({ done: false, value: item });
    }
    if (this.#waiting > this.#limit) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  /** The next one, if there is one already. */
  takeNow(): T | undefined {
    const [run] = this.#runs;
    if (run === undefined) return undefined;
    const item = run.at(this.#taken);
    this.#taken += 1;
    this.#waiting -= 1;
    if (this.#taken === run.length) {
      this.#runs.shift();
      this.#taken = 0;
    }
    if (this.#room.length > 0 && this.#waiting <= this.#limit) this.#wake();
    return item;
  }

  take(): Promise<IteratorResult<T, undefined>> {
    const item = this.takeNow();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#end !== undefined) {
      return this.#end.error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(this.#end.error);
    }
    return new Promise((resolve, reject) => {
      this.#takers.push(resolve);
      this.#failures.push(reject);
    });
  }

  /** Ends with an error or without; with `discard`, what waits is dropped. The first end counts. */
  end(error?: unknown, discard = false): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    if (discard) {
      this.#runs.length = 0;
      this.#taken = 0;
      this.#waiting = 0;
    }
    this.#wake();
    const [takers, failures] = [this.#takers, this.#failures];
    this.#takers = [];
    this.#failures = [];
    if (error === undefined) for (const taker of takers) taker({ done: true, value: undefined });
    else for (const fail of failures) fail(error);
  }

  #wake(): void {
    const room = this.#room;
    this.#room = [];
    for (const resolve of room) resolve();
  }
}
