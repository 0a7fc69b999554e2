/** Who holds bytes, and is told when there is room again. */
export interface BudgetHolder {
  room(): void;
}

/**
 * Bytes that all receivers of a process may hold of what is delivered and not stored (W8): while the database is away, or messages are large, RabbitMQ would else send
 * `prefetch` messages to each of them. A receiver that finds the budget used up gives back what it has not begun to store, and is told when half of the budget is free.
 * What is being stored stays, so there is always progress; the most that is held is the budget, one message and one batch for each receiver.
 */
export class ReceiveBudget {
  readonly #limit: number;
  /** Of who has left nothing; of who holds nothing now, zero: a map that is put into and deleted from for each batch makes work for the collector. */
  readonly #held = new Map<BudgetHolder, number>();
  readonly #waiting = new Set<BudgetHolder>();
  #total = 0;

  /** `limit`: in bytes. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Bytes held now, over all holders. */
  get total(): number {
    return this.#total;
  }

  /** So much `holder` holds now. False: more is held in all than may be; it must give back what it can, and is then told when there is room. */
  hold(holder: BudgetHolder, bytes: number): boolean {
    const before = this.#held.get(holder) ?? 0;
    this.#total += bytes - before;
    this.#held.set(holder, bytes);
    if (bytes > before && this.#total > this.#limit) {
      this.#waiting.add(holder);
      return false;
    }
    if (bytes < before) this.#wake();
    return true;
  }

  /** It holds nothing, and waits for nothing, any more. */
  leave(holder: BudgetHolder): void {
    this.#waiting.delete(holder);
    this.hold(holder, 0);
    this.#held.delete(holder);
  }

  /** How many messages of this size a holder may have sent to it, at most `most` and at least one, when all that wait are served alike. */
  share(messageBytes: number, most: number): number {
    const holding = [...this.#held].filter(([, bytes]) => bytes > 0).map(([holder]) => holder);
    const holders = Math.max(1, new Set([...holding, ...this.#waiting]).size);
    return Math.min(most, Math.max(1, Math.floor(this.#limit / 2 / holders / Math.max(1, messageBytes))));
  }

  #wake(): void {
    if (this.#waiting.size === 0 || this.#total > this.#limit / 2) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const holder of waiting) holder.room();
  }
}
