import { expect, test } from "vitest";
import { Fifo } from "./fifo.ts";

test("what was added first is taken first, also when much waits", () => {
  const fifo = new Fifo<number>();
  const taken: (number | undefined)[] = [];
  for (let i = 0; i < 10_000; i += 1) {
    fifo.add(i);
    if (i % 3 === 0) taken.push(fifo.take());
  }
  while (taken.length < 10_000) taken.push(fifo.take());
  expect(taken).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
  expect(fifo.take()).toBeUndefined();
  fifo.add(7);
  expect(fifo.take()).toBe(7);
});
