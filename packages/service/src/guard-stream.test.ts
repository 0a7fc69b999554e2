import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "vitest";
import { guardStream } from "./guard-stream.ts";

function source(values: readonly number[]) {
  const left = [...values];
  const log: string[] = [];
  const iterator: AsyncIterableIterator<number> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () =>
      left.length > 0
        ? Promise.resolve({ done: false as const, value: left.shift() ?? 0 })
        : Promise.resolve({ done: true as const, value: undefined }),
    return: () => {
      log.push("return");
      return Promise.reject(new Error("the clean-up failed"));
    },
  };
  return { iterator, log };
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
}

describe("guardStream", () => {
  test("gives everything, in order", async () => {
    const { iterator } = source([1, 2, 3]);
    expect(await collect(guardStream(iterator, new AbortController().signal))).toEqual([1, 2, 3]);
  });

  test("cleans up on abort while nobody asks for more, as under HTTP/2 flow control", async () => {
    const { iterator, log } = source([1, 2, 3]);
    const abort = new AbortController();
    const guarded = guardStream(iterator, abort.signal);
    await guarded.next();
    abort.abort();
    expect(log).toEqual(["return"]);
  });

  test("cleans up at once when the call was gone before it began", async () => {
    const { iterator, log } = source([1]);
    expect(await collect(guardStream(iterator, AbortSignal.abort()))).toEqual([]);
    expect(log).toEqual(["return"]);
  });

  test("tells that the call ran out of time, before it began and later", async () => {
    const deadline = new ConnectError("out of time", Code.DeadlineExceeded);
    await expect(collect(guardStream(source([1]).iterator, AbortSignal.abort(deadline)))).rejects.toBe(deadline);
    const { iterator } = source([1]);
    const abort = new AbortController();
    const guarded = guardStream(iterator, abort.signal);
    await guarded.next();
    abort.abort(deadline);
    await expect(guarded.next()).rejects.toBe(deadline);
  });

  test("passes an error on", async () => {
    const { iterator } = source([]);
    iterator.next = () => Promise.reject(new Error("broken"));
    await expect(guardStream(iterator, new AbortController().signal).next()).rejects.toThrow("broken");
  });
});
