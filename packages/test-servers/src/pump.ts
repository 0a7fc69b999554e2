import type { Socket } from "node:net";
import type { Toxics } from "./toxic.ts";

/** Bytes that a pump holds before it stops reading. */
const heldMax = 256 * 1_024;

/**
 * Passes the bytes of one socket on to another, as the toxics of its direction want it. Reads no more than it can hold: a receiver that does not read stops the
 * sender, as without a proxy. Without toxics a chunk is passed on in the turn in which it came.
 */
export class Pump {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #toxics: Toxics;
  readonly #queue: { readonly chunk: Buffer; readonly due: number }[] = [];
  #queued = 0;
  #busy = false;
  #ended = false;
  /** Nothing but what is held is between us and telling the end. */
  #closing = false;
  #lastDue = 0;
  #passed = { bytes: 0, limits: 0 };

  constructor(from: Socket, to: Socket, toxics: Toxics) {
    this.#from = from;
    this.#to = to;
    this.#toxics = toxics;
  }

  /** Bytes that were read and not yet given to the system. */
  get held(): number {
    return this.#queued + this.#to.writableLength;
  }

  take(chunk: Buffer): void {
    const toxics = this.#toxics;
    if (toxics.get("black-hole") !== undefined) return;
    const plain = !this.#busy && (["latency", "bandwidth", "slice", "limit"] as const).every((kind) => toxics.get(kind) === undefined);
    if (plain) {
      if (!this.#to.write(chunk)) this.#holdUntilDrained();
      return;
    }
    const { ms = 0, jitterMs = 0 } = toxics.get("latency") ?? {};
    this.#lastDue = Math.max(this.#lastDue, performance.now() + Math.max(0, ms + (2 * Math.random() - 1) * jitterMs));
    this.#queue.push({ chunk, due: this.#lastDue });
    this.#queued += chunk.length;
    if (this.#queued > heldMax) this.#from.pause();
    if (!this.#busy) void this.#work();
  }

  /** The sender has ended: what is held is passed on, then the end. `broken`: it was cut, and so is the receiver. */
  end(broken: boolean): void {
    if (this.#ended) return;
    this.#ended = true;
    if (broken) this.#queue.length = 0;
    void this.#close(broken);
  }

  async #close(broken: boolean): Promise<void> {
    const slow = this.#toxics.get("slow-close");
    if (slow !== undefined) await this.#toxics.rest(slow.ms);
    this.#closing = !broken;
    if (broken) this.#to.destroy();
    else if (!this.#busy) this.#finish();
  }

  #finish(): void {
    this.#closing = false;
    this.#to.end(() => this.#to.destroy());
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#queue.shift(); next !== undefined && !this.#to.destroyed; next = this.#queue.shift()) {
      const { chunk, due } = next;
      const wait = due - performance.now();
      if (wait > 0 && this.#toxics.get("latency") !== undefined) await this.#toxics.rest(wait);
      await this.#pass(chunk);
      this.#queued -= chunk.length;
      if (this.#queued <= heldMax) this.#from.resume();
    }
    this.#busy = false;
    if (this.#closing) this.#finish();
  }

  async #pass(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0 && !this.#to.destroyed;) {
      const slice = this.#toxics.get("slice");
      const part = rest.subarray(0, slice?.bytes ?? rest.length);
      rest = rest.subarray(part.length);
      const room = this.#room();
      if (part.length > room) {
        // An end, and no reset: what was passed on before is to arrive.
        this.#ended = true;
        this.#queue.length = 0;
        this.#to.end(part.subarray(0, room), () => this.#to.destroy());
        this.#from.resetAndDestroy();
        return;
      }
      this.#passed.bytes += part.length;
      if (!this.#to.write(part)) await this.#drained();
      const { bytesPerSecond = Number.POSITIVE_INFINITY } = this.#toxics.get("bandwidth") ?? {};
      const restMs = (part.length / bytesPerSecond) * 1_000 + (slice?.delayMs ?? 0);
      if (restMs > 0) await this.#toxics.rest(restMs);
      else if (slice !== undefined) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Resolves when the receiver takes more, or is gone. */
  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#to.off("drain", done).off("close", done);
        resolve();
      };
      this.#to.on("drain", done).on("close", done);
    });
  }

  /** Bytes that may still pass. */
  #room(): number {
    const limit = this.#toxics.get("limit");
    if (this.#passed.limits !== this.#toxics.limits) this.#passed = { bytes: 0, limits: this.#toxics.limits };
    return limit === undefined ? Number.POSITIVE_INFINITY : limit.bytes - this.#passed.bytes;
  }

  #holdUntilDrained(): void {
    this.#from.pause();
    this.#to.once("drain", () => this.#from.resume());
  }
}
