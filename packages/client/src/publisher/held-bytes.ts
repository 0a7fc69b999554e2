import { Limits, WarrenError } from "@warren/protocol";

/** Bytes that a publisher holds until they are settled (W8). */
export class HeldBytes {
  #bytes = 0;

  /** Throws BUFFER_FULL, and holds nothing more, when there is no room; one event has room whatever its size. */
  take(bytes: number): void {
    if (this.#bytes + bytes > Limits.publisherBufferBytes && this.#bytes > 0) {
      const text = `${this.#bytes} bytes wait to be confirmed; await the events under way, or publish again later`;
      throw new WarrenError("BUFFER_FULL", text);
    }
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }
}
