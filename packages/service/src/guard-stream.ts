import { Code, ConnectError } from "@connectrpc/connect";

/**
 * Frames of a streaming handler, cleaned up through the call's signal: when a client goes away while the server waits for HTTP/2 flow control, a generator's
 * `finally` never runs (https://github.com/connectrpc/connect-es/issues/1217). On abort `return()` is called on the source at once. A stream that the call's deadline ended throws it.
 */
export async function* guardStream<T>(source: AsyncIterableIterator<T>, signal: AbortSignal): AsyncGenerator<T, void, undefined> {
  // What a clean-up throws has no one to go to.
  const stop = (): void => void source.return?.().catch(() => undefined);
  if (signal.aborted) {
    stop();
    return tellDeadline(signal.reason);
  }
  signal.addEventListener("abort", stop, { once: true });
  try {
    for (;;) {
      const next = await source.next();
      if (next.done === true) return tellDeadline(signal.reason);
      yield next.value;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    stop();
  }
}

/** Not an end, but out of time: whoever still listens is told so. */
function tellDeadline(reason: unknown): void {
  if (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded) throw reason;
}
