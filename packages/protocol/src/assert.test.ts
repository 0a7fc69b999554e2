import { expect, test, vi } from "vitest";
import { assert } from "./assert.ts";

test("a message that is a function is made only when the condition does not hold", () => {
  const message = vi.fn(() => "offset 7");
  assert(1 + 1 === 2, message);
  expect(message).not.toHaveBeenCalled();
  expect(() => assert(1 + 1 === 3, message)).toThrow(expect.objectContaining({ code: "ILLEGAL_STATE", message: "offset 7" }));
});
