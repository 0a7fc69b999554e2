import { describe, expect, test } from "vitest";
import { EventQueue } from "./event-queue.ts";

const settled = async (promise: Promise<unknown>): Promise<boolean> => {
  let done = false;
  void promise.then(() => (done = true));
  await new Promise((resolve) => setImmediate(resolve));
  return done;
};

describe("an event queue", () => {
  test("hands over in order, to those who wait and to those who come", async () => {
    const queue = new EventQueue<number>(10);
    const waiting = [queue.take(), queue.take()];
    await queue.push([1, 2, 3, 4]);
    expect(await Promise.all(waiting)).toEqual([
      { done: false, value: 1 },
      { done: false, value: 2 },
    ]);
    expect([queue.takeNow(), await queue.take(), queue.takeNow()]).toEqual([3, { done: false, value: 4 }, undefined]);
  });

  test("W8: holds a producer until it is short enough again", async () => {
    const queue = new EventQueue<number>(2);
    const pushed = queue.push([1, 2, 3, 4]);
    queue.takeNow();
    expect(await settled(pushed)).toBe(false);
    queue.takeNow();
    expect(await settled(pushed)).toBe(true);
    expect(await settled(queue.push([5]))).toBe(false);
  });

  test("ends after what is in it, or at once", async () => {
    const queue = new EventQueue<number>(2);
    await queue.push([1, 2]);
    queue.takeNow();
    queue.end();
    expect([await queue.take(), await queue.take()]).toEqual([
      { done: false, value: 2 },
      { done: true, value: undefined },
    ]);
    const broken = new EventQueue<number>(0);
    const waits = broken.push([1, 2]);
    broken.end(new Error("broken"), true);
    await waits;
    await expect(broken.take()).rejects.toThrow("broken");
    await broken.push([3]);
    expect(broken.takeNow()).toBeUndefined();
  });
});
