/** Holds back what has not begun, while a dependency is away. */
export class Gate {
  #shut = false;
  #waiting: (() => void)[] = [];

  get isShut(): boolean {
    return this.#shut;
  }

  /** Resolves when the gate is open. */
  async open(): Promise<void> {
    while (this.#shut) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Shuts it; false when it was shut already. */
  shut(): boolean {
    if (this.#shut) return false;
    this.#shut = true;
    return true;
  }

  /** Opens it; false when it was open already. */
  release(): boolean {
    if (!this.#shut) return false;
    this.#shut = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const go of waiting) go();
    return true;
  }
}
