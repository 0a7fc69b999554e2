/** First in, first out, without moving what waits. */
export class Fifo<Item> {
  #items: Item[] = [];
  #next = 0;

  add(item: Item): void {
    this.#items.push(item);
  }

  take(): Item | undefined {
    const item = this.#items[this.#next];
    this.#next += 1;
    if (this.#next >= 4_096 || this.#next >= this.#items.length) {
      this.#items = this.#items.slice(this.#next);
      this.#next = 0;
    }
    return item;
  }
}
