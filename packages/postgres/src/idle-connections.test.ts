import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IdleConnections } from "./idle-connections.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function make() {
  const ended: string[] = [];
  return { ended, idle: new IdleConnections<string>((connection) => ended.push(connection)) };
}

test("lends the one that was lent last, each once", () => {
  const { idle } = make();
  idle.giveBack("a");
  idle.giveBack("b");
  expect([idle.take(), idle.take(), idle.take()]).toEqual(["b", "a", undefined]);
});

test("ends what was not lent for 15 to 30 s, and keeps what was", () => {
  const { idle, ended } = make();
  idle.giveBack("unused");
  idle.giveBack("used");
  vi.advanceTimersByTime(29_999);
  expect(ended).toEqual([]);
  idle.giveBack(idle.take() ?? "");
  vi.advanceTimersByTime(1);
  expect(ended).toEqual(["unused"]);
  vi.advanceTimersByTime(30_000);
  expect(ended).toEqual(["unused", "used"]);
  // Nothing is looked for while nothing is at hand.
  expect(vi.getTimerCount()).toBe(0);
  idle.giveBack("later");
  vi.advanceTimersByTime(30_000);
  expect(ended).toEqual(["unused", "used", "later"]);
});

test("lends no more what broke, and says whether it had it", () => {
  const { idle, ended } = make();
  idle.giveBack("sound");
  idle.giveBack("broken");
  expect([idle.remove("broken"), idle.remove("broken")]).toEqual([true, false]);
  expect([idle.take(), idle.take()]).toEqual(["sound", undefined]);
  expect(ended).toEqual([]);
});

test("once closed ends all it has, and what is given back later", () => {
  const { idle, ended } = make();
  idle.giveBack("a");
  idle.close();
  idle.giveBack("b");
  idle.close();
  expect(ended).toEqual(["a", "b"]);
  expect(idle.take()).toBeUndefined();
  expect(vi.getTimerCount()).toBe(0);
});
