import { Limits, WarrenError } from "@warren/protocol";

/** Flags and length of what follows, before each message of a stream: https://connectrpc.com/docs/protocol#streaming-rpcs */
const prefixBytes = 5;
/** Far above what a broker sends, a batch or one event: more is not memory to be asked for, but something else than a broker. */
const mostBytes = 16 * Limits.eventBytes;

/** A message as it goes over a stream. `flags`: 0 for one that is neither compressed nor the end of the stream. */
export function toEnvelope(message: Uint8Array, flags = 0): Buffer {
  const envelope = Buffer.allocUnsafe(prefixBytes + message.length);
  envelope[0] = flags;
  envelope.writeUInt32BE(message.length, 1);
  envelope.set(message, prefixBytes);
  return envelope;
}

/**
 * Reads enveloped messages in whatever pieces they come. A message is copied once, into memory of its own: what its events keep alive is this batch, not all that
 * the socket read with it.
 */
export class EnvelopeReader {
  readonly #take: (flags: number, message: Uint8Array) => void;
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixed = 0;
  /** Of the prefix that is whole. */
  #message: Buffer | undefined;
  #filled = 0;

  /** `take` gets each message when it is whole. */
  constructor(take: (flags: number, message: Uint8Array) => void) {
    this.#take = take;
  }

  /** Throws TRANSPORT_UNAVAILABLE for a message that is too large to be one. */
  read(piece: Uint8Array): void {
    for (let at = 0; at < piece.length || this.#isWhole();) {
      if (this.#message === undefined) at += this.#readPrefix(piece, at);
      else if (this.#filled < this.#message.length) at += this.#fill(this.#message, piece, at);
      else this.#hand(this.#message);
    }
  }

  #isWhole(): boolean {
    return this.#message !== undefined && this.#filled === this.#message.length;
  }

  #readPrefix(piece: Uint8Array, at: number): number {
    const taken = Math.min(prefixBytes - this.#prefixed, piece.length - at);
    for (let i = 0; i < taken; i += 1) this.#prefix[this.#prefixed + i] = piece[at + i] ?? 0;
    this.#prefixed += taken;
    if (this.#prefixed < prefixBytes) return taken;
    const size = this.#prefix.readUInt32BE(1);
    if (size > mostBytes)
      throw new WarrenError("TRANSPORT_UNAVAILABLE", `the broker sent a frame of ${size} bytes; at most ${mostBytes} are read`);
    // Not of Node's pool, whose other users it would keep.
    this.#message = Buffer.allocUnsafeSlow(size);
    return taken;
  }

  #fill(message: Buffer, piece: Uint8Array, at: number): number {
    const taken = Math.min(message.length - this.#filled, piece.length - at);
    message.set(at === 0 && taken === piece.length ? piece : piece.subarray(at, at + taken), this.#filled);
    this.#filled += taken;
    return taken;
  }

  #hand(message: Buffer): void {
    const flags = this.#prefix[0] ?? 0;
    this.#prefixed = 0;
    this.#message = undefined;
    this.#filled = 0;
    this.#take(flags, message);
  }
}
