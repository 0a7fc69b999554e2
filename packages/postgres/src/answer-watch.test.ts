import { Times } from "@warren/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AnswerWatch } from "./answer-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const client = () => ({ end: vi.fn<() => void>() });

test("ends the connection whose statement is not answered, and no other; looks only while somebody waits", () => {
  const watch = new AnswerWatch<ReturnType<typeof client>>();
  const [stuck, quick, idle] = [client(), client(), client()];
  for (const each of [stuck, quick, idle]) watch.add(each);
  vi.advanceTimersByTime(1);
  watch.begin(stuck);
  for (let ms = 0; ms < Times.databaseSocketMs; ms += 500) {
    expect(stuck.end).not.toHaveBeenCalled();
    watch.begin(quick);
    vi.advanceTimersByTime(500);
    watch.done(quick);
  }
  vi.advanceTimersByTime(1_000);
  expect(stuck.end).toHaveBeenCalled();
  watch.done(stuck);
  watch.remove(stuck);
  vi.advanceTimersByTime(2_000);
  expect([stuck.end.mock.calls.length, quick.end.mock.calls.length, idle.end.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0, 0, 0]);
});
