import type { OpenStream } from "./stream.ts";

/**
 * Streams over as many HTTP/2 sessions as they need, at most `most` on each. A session takes a limited number of streams: one more would wait, without
 * a word, until another ended. `newSession` opens one; a session without streams is used again.
 */
export function spread(newSession: () => OpenStream, most: number): OpenStream {
  const sessions: { readonly open: OpenStream; streams: number }[] = [];
  return (open, signal, refused) => {
    let session = sessions.find(({ streams }) => streams < most);
    if (session === undefined) {
      session = { open: newSession(), streams: 0 };
      sessions.push(session);
    }
    const { open: openOn } = session;
    const used = session;
    used.streams += 1;
    let held = true;
    const release = (): void => {
      if (held) used.streams -= 1;
      held = false;
    };
    // Aborted before it is read: then the loop below never runs.
    signal.addEventListener("abort", release, { once: true });
    const stream = openOn(open, signal, refused);
    async function* responses() {
      try {
        yield* stream.responses;
      } finally {
        signal.removeEventListener("abort", release);
        release();
      }
    }
    return { ...stream, responses: responses() };
  };
}
