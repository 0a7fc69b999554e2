import { describe, expect, test, vi } from "vitest";

/** More than vitest runs at once, so that the last ones begin while the first is under way. */
const others = Array.from({ length: 8 }, (_, n) => n);
const lastBegan = Promise.withResolvers<void>();

describe.concurrent("a mock", () => {
  test("keeps its calls while other tests begin beside its own", async () => {
    const mock = vi.fn();
    mock();
    await lastBegan.promise;
    expect(mock).toHaveBeenCalledOnce();
  });

  test.each(others)("is not cleared by test %i beside it", async (n) => {
    await Promise.resolve();
    if (n === others.at(-1)) lastBegan.resolve();
  });
});
