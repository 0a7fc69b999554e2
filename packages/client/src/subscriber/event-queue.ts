/** Hands items from one producer to consumers in order. `push` resolves when the queue is short enough for more: that is the back-pressure. */
export class EventQueue<T> {
  readonly #limit: number;
  #items: T[] = [];
  /** Of those, so many were taken. */
  #taken = 0;
  #takers: ((result: IteratorResult<T, undefined>) => void)[] = [];
  #failures: ((error: unknown) => void)[] = [];
  #room: (() => void)[] = [];
  #end: { readonly error: unknown } | undefined;

  /** `limit`: items that may wait before a producer has to. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  async push(items: readonly T[]): Promise<void> {
    if (this.#end !== undefined) return;
    for (const item of items) {
      const taker = this.#takers.shift();
      this.#failures.shift();
      if (taker === undefined) this.#items.push(item);
      else taker({ done: false, value: item });
    }
    if (this.#items.length - this.#taken > this.#limit) await new Promise<void>((resolve) => this.#room.push(resolve));
  }

  /** The next one, if there is one already. */
  takeNow(): T | undefined {
    const item = this.#items[this.#taken];
    if (item === undefined) return undefined;
    this.#taken += 1;
    if (this.#taken === this.#items.length) {
      this.#items = [];
      this.#taken = 0;
    }
    if (this.#room.length > 0 && this.#items.length - this.#taken <= this.#limit) this.#wake();
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
      this.#items = [];
      this.#taken = 0;
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
