import type { SubscribedEvent, Subscription } from "@warren/client";

/** Keeps account of what the sessions of one consumer name are given, and notes whatever the promise excludes: a gap, a swap, another event, a repeat of what was saved. */
export class Recorder {
  readonly faults: string[] = [];
  readonly #ids = new Map<bigint, string>();
  #saved = 0n;
  sessions = 0;
  repeats = 0;

  /** Different events so far. */
  get count(): number {
    return this.#ids.size;
  }

  /** The last event, if there is none missing below it. */
  get ids(): readonly string[] {
    return [...this.#ids].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, id]) => id);
  }

  /** Notes that all up to here was told to be saved. */
  saved(offset: bigint): void {
    if (offset > this.#saved) this.#saved = offset;
  }

  /** One session: returns what is to be called with each of its events. `savedBefore`: what was known to be saved when it was asked for. */
  session(): (event: Pick<SubscribedEvent, "offset" | "id">) => void {
    const savedBefore = this.#saved;
    this.sessions += 1;
    let next: bigint | undefined;
    return ({ offset, id }) => {
      const where = `session ${this.sessions}: ${offset}`;
      if (next !== undefined && offset !== next) this.faults.push(`${where} came where ${next} was to come`);
      if (offset <= savedBefore) this.faults.push(`${where} came again, and ${savedBefore} was saved`);
      next = offset + 1n;
      if (offset > BigInt(this.#ids.size) + 1n) this.faults.push(`${where} came, and only ${this.#ids.size} before it`);
      const known = this.#ids.get(offset);
      if (known !== undefined) this.repeats += 1;
      if (known !== undefined && known !== id) this.faults.push(`${where} was ${known}, and is ${id} now`);
      this.#ids.set(offset, id);
    };
  }

  /** Takes and acks events of a subscription until it ends or has taken `limit`; resolves with the code that ended it, or undefined. */
  async follow(subscription: Subscription, limit = Number.POSITIVE_INFINITY): Promise<string | undefined> {
    const note = this.session();
    const heard = (async () => {
      for await (const status of subscription.status()) if (status.kind === "acked") this.saved(status.offset);
    })();
    let taken = 0;
    try {
      for await (const event of subscription) {
        note(event);
        event.ack();
        taken += 1;
        if (taken >= limit) break;
      }
    } catch (error) {
      return (error as { readonly code?: string }).code ?? String(error);
    } finally {
      await heard;
    }
    return undefined;
  }
}
