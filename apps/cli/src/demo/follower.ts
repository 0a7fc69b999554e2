import { createSubscriber, type Subscription } from "@warren/client";

/** What one consumer of the demo got, judged against what it should have got. */
export interface Verdict {
  readonly expected: number;
  readonly delivered: number;
  readonly missed: number;
  readonly outOfOrder: number;
  readonly repeatedAfterAck: number;
}

/** One named consumer of the demo, that keeps account of all it is given. */
export class Follower {
  readonly name: string;
  readonly #brokerUrl: string;
  readonly #patterns: readonly string[];
  readonly #ids = new Set<string>();
  #subscription: Subscription | undefined;
  #loop: Promise<void> | undefined;
  #lastOffset = 0n;
  #saved = 0n;
  #outOfOrder = 0;
  #repeatedAfterAck = 0;

  constructor(brokerUrl: string, name: string, patterns: readonly string[]) {
    this.#brokerUrl = brokerUrl;
    this.name = name;
    this.#patterns = patterns;
  }

  get delivered(): number {
    return this.#ids.size;
  }

  /** Opens a session; resolves when it is open. */
  async arrive(): Promise<void> {
    const subscription = createSubscriber({ brokerUrl: this.#brokerUrl }).subscribe({
      consumer: this.name,
      patterns: this.#patterns,
      start: "earliest",
    });
    this.#subscription = subscription;
    void this.#keepAccount(subscription);
    this.#loop = this.#follow(subscription);
    for await (const status of subscription.status()) if (status.kind === "connected" || status.kind === "caughtUp") return;
  }

  /** Leaves in the middle of whatever comes. */
  async leave(): Promise<void> {
    await this.#subscription?.close();
    await this.#loop;
  }

  verdict(expected: ReadonlySet<string>): Verdict {
    const delivered = [...this.#ids].filter((id) => expected.has(id)).length;
    return {
      expected: expected.size,
      delivered,
      missed: expected.size - delivered,
      outOfOrder: this.#outOfOrder,
      repeatedAfterAck: this.#repeatedAfterAck,
    };
  }

  async #keepAccount(subscription: Subscription): Promise<void> {
    for await (const status of subscription.status())
      if (status.kind === "acked" && status.offset > this.#saved) this.#saved = status.offset;
  }

  async #follow(subscription: Subscription): Promise<void> {
    for await (const event of subscription) {
      if (event.offset <= this.#saved) this.#repeatedAfterAck += 1;
      // Within a session offsets grow by one; a new session may begin again after what was saved.
      else if (!this.#ids.has(event.id) && event.offset !== this.#lastOffset + 1n) this.#outOfOrder += 1;
      this.#ids.add(event.id);
      if (event.offset > this.#lastOffset) this.#lastOffset = event.offset;
      event.ack();
    }
  }
}
