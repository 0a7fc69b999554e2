import { Limits } from "@warren/protocol";

/** With so much of what may be un-acked, acks are told at once. */
const part = 8;

/** How much was handed over and the broker was not told that it is done, beside what it sends before it waits. */
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

  handedOver(events: number, bytes: number): void {
    this.#events += events;
    this.#bytes += bytes;
  }

  /** So many events were told to be done. Their bytes are taken to be those of any others. */
  acked(events: number): void {
    const left = Math.max(0, this.#events - events);
    this.#bytes = left === 0 ? 0 : (this.#bytes * left) / this.#events;
    this.#events = left;
  }
}
