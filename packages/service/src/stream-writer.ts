import { createContextKey } from "@connectrpc/connect";
import type { AnyResponse } from "./plain-http.ts";

/** A message as it goes over the wire, in one part or in two: the same for every stream that it is written to. Never changed after it was made. */
export type Envelope = readonly [Uint8Array, ...Uint8Array[]];

/** Flags and length before each message of a stream; the same in gRPC, gRPC-Web and Connect. */
const prefixBytes = 5;
/** Below it, one buffer is cheaper than two. */
const joinBelowBytes = 16 * 1024;

/** Encloses one encoded message, `head` and `rest` one after another, not compressed. A large `rest` is not copied. */
export function toEnvelope(head: Uint8Array, rest: Uint8Array): Envelope {
  const size = head.length + rest.length;
  const small = size < joinBelowBytes;
  const first = Buffer.allocUnsafe(prefixBytes + (small ? size : head.length));
  first[0] = 0;
  first.writeUInt32BE(size, 1);
  first.set(head, prefixBytes);
  if (!small) return [first, rest];
  first.set(rest, prefixBytes + head.length);
  return [first];
}

/**
 * Writes messages of a streaming answer that are encoded already, past Connect, which would copy them three times for every stream. Only for answers in
 * the binary codec. A handler uses it between two messages that it yields: when it is asked for the next one, the one before was written, so the order stays.
 */
export interface StreamWriter {
  /** The headers were sent, so messages may be written. Before the first yielded message was asked past, they are not. */
  readonly ready: boolean;
  /**
   * Writes one message. Undefined: the stream takes another one. Else resolves when it does, or will take none: a stream that broke is told to the handler by its
   * signal, as ever.
   */
  write(envelope: Envelope): Promise<void> | undefined;
}

/** In a call's context. */
export const streamWriter = createContextKey<StreamWriter>({ ready: false, write: () => undefined });

/** The writer of one answer. */
export function createStreamWriter(response: AnyResponse): StreamWriter {
  return {
    get ready() {
      return response.headersSent;
    },
    write([first, ...more]) {
      if (isOver(response)) return undefined;
      if (more.length > 0) response.cork();
      const takesMore = [first, ...more].map((part) => response.write(part)).at(-1);
      if (more.length > 0) response.uncork();
      return takesMore === true ? undefined : untilDrained(response);
    },
  };
}

/** Over HTTP/2 a response whose stream is gone is not `destroyed`: it has no socket. */
function isOver(response: AnyResponse): boolean {
  return response.destroyed || response.writableEnded || (response.socket ?? undefined) === undefined;
}

function untilDrained(response: AnyResponse): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      response.off("drain", over);
      response.off("close", over);
      resolve();
    };
    response.on("drain", over);
    response.on("close", over);
  });
}
