import { createContextKey } from "@connectrpc/connect";
import type { AnyResponse } from "./plain-http.ts";

/** Flags and length before each message of a stream; the same in gRPC, gRPC-Web and Connect. */
const prefixBytes = 5;
/** Below it, one buffer is cheaper than two. */
const joinBelowBytes = 16 * 1024;

/**
 * Writes messages of a streaming answer that are encoded already, past Connect, which would copy them three times for every stream. Only for answers in
 * the binary codec. A handler uses it between two messages that it yields: when it is asked for the next one, the one before was written, so the order stays.
 */
export interface StreamWriter {
  /** The headers were sent, so messages may be written. Before the first yielded message was asked past, they are not. */
  readonly ready: boolean;
  /**
   * Writes one message: `head` and `rest` one after another, which are not copied, and must not change. Resolves when the stream takes another one, or will take none: a
   * stream that broke is told to the handler by its signal, as ever.
   */
  write(head: Uint8Array, rest: Uint8Array): Promise<void>;
}

/** In a call's context. */
export const streamWriter = createContextKey<StreamWriter>({ ready: false, write: () => Promise.resolve() });

const done = Promise.resolve();

/** The writer of one answer. */
export function createStreamWriter(response: AnyResponse): StreamWriter {
  return {
    get ready() {
      return response.headersSent;
    },
    write(head, rest) {
      if (response.destroyed || response.writableEnded) return done;
      const size = head.length + rest.length;
      const small = size < joinBelowBytes;
      const first = Buffer.allocUnsafe(prefixBytes + (small ? size : head.length));
      first[0] = 0;
      first.writeUInt32BE(size, 1);
      first.set(head, prefixBytes);
      if (small) {
        first.set(rest, prefixBytes + head.length);
        return response.write(first) ? done : untilDrained(response);
      }
      response.cork();
      response.write(first);
      const more = response.write(rest);
      response.uncork();
      return more ? done : untilDrained(response);
    },
  };
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
