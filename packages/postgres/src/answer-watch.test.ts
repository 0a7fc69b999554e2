import { Times } from "@warren/protocol";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { AnswerWatch } from "./answer-watch.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const client = () => ({ end: vi.fn<() => void>() });

test("ends the connection whose statement is not answered, and no other; looks only while somebody waits", async () => {
  const watch = new AnswerWatch<ReturnType<typeof client>>();
  const [stuck, quick, idle] = [client(), client(), client()];
  await watch.during(idle, () => Promise.resolve());
  await vi.advanceTimersByTimeAsync(1);
  const { promise, reject } = Promise.withResolvers<void>();
  const failed = watch.during(stuck, () => promise);
  for (let ms = 0; ms < Times.databaseSocketMs; ms += 500) {
    expect(stuck.end).not.toHaveBeenCalled();
    const answer = Promise.withResolvers<number>();
    const answered = watch.during(quick, () => answer.promise);
    await vi.advanceTimersByTimeAsync(500);
    answer.resolve(ms);
    expect(await answered).toBe(ms);
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(stuck.end).toHaveBeenCalled();
  reject(new Error("the connection broke"));
  await expect(failed).rejects.toThrow("the connection broke");
  await vi.advanceTimersByTimeAsync(2_000);
  expect([stuck.end.mock.calls.length, quick.end.mock.calls.length, idle.end.mock.calls.length, vi.getTimerCount()]).toEqual([1, 0, 0, 0]);
});
