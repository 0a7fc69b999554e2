import { describe, expect, test } from "vitest";
import { spread } from "./spread.ts";
import type { OpenStream } from "./stream.ts";

const nothing = () => undefined;

/** Sessions whose streams end when they are told to. */
function sessions() {
  const opened: number[] = [];
  const ends: (() => void)[] = [];
  const newSession = (): OpenStream => {
    const session = opened.push(0) - 1;
    return () => {
      opened[session] = (opened[session] ?? 0) + 1;
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.push(resolve);
      async function* responses() {
        await promise;
        yield* [];
      }
      return { responses: responses(), ack: nothing, ackSide: nothing, park: nothing, ping: nothing, end: nothing };
    };
  };
  return { opened, ends, newSession };
}

describe("spread()", () => {
  test("opens another session when one has its streams, and uses a place that became free", async () => {
    const { opened, ends, newSession } = sessions();
    const open = spread(newSession, 2);
    const { signal } = new AbortController();
    const reading = Array.from({ length: 5 }, async () => {
      for await (const _ of open({}, signal, nothing).responses) void _;
    });
    expect(opened).toEqual([2, 2, 1]);
    ends[0]?.();
    await reading[0];
    open({}, signal, nothing);
    expect(opened).toEqual([3, 2, 1]);
  });

  test("frees the place of a stream that was aborted before it was read, once", () => {
    const { opened, newSession } = sessions();
    const open = spread(newSession, 1);
    const abort = new AbortController();
    open({}, abort.signal, nothing);
    abort.abort();
    open({}, new AbortController().signal, nothing);
    expect(opened).toEqual([2]);
    open({}, new AbortController().signal, nothing);
    expect(opened).toEqual([2, 1]);
  });
});
