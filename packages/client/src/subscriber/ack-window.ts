import { Limits } from "@warren/protocol";

/** So much of what may be un-acked may be received before acks are told at once. */
const part = 8;

/** How much came since the broker was last told what is done, beside what it sends before it waits. */
export class AckWindow {
  readonly #maxEvents: number;
  readonly #maxBytes: number;
  #events = 0;
  #bytes = 0;

  /** What a subscription asks for; defaults are the broker's. */
  constructor(options: { readonly maxInFlight?: number | undefined; readonly maxInFlightBytes?: number | undefined }) {
    const { maxInFlight = Limits.defaultMaxInFlight, maxInFlightBytes = Limits.defaultMaxInFlightBytes } = options;
    this.#maxEvents = maxInFlight / part;
    this.#maxBytes = maxInFlightBytes / part;
  }

  /** The broker may have to wait for acks soon. */
  get isFilling(): boolean {
    return this.#events >= this.#maxEvents || this.#bytes >= this.#maxBytes;
  }

  received(events: number, bytes: number): void {
    this.#events += events;
    this.#bytes += bytes;
  }

  /** What is done was told. */
  acked(): void {
    this.#events = 0;
    this.#bytes = 0;
  }
}
