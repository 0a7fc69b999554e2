import { expect, test } from "vitest";
import { idSource } from "./id-source.ts";

test("ids are UUIDv7s of now, each greater than the one before", () => {
  const next = idSource();
  const from = Date.now();
  const ids = Array.from({ length: 5_000 }, next);
  const to = Date.now();
  const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(ids.filter((id) => !uuid.test(id))).toEqual([]);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) {
    const ms = Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
    expect(ms).toBeGreaterThanOrEqual(from);
    expect(ms).toBeLessThanOrEqual(to);
  }
});
