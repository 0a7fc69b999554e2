import type { HeaderValue } from "@warren/protocol/amqp";
import { expect, test } from "vitest";
import { HeaderTable } from "./amqp-message.ts";

/** What amqplib writes: its own table has this one as its prototype, and what is undefined is left out. */
function written(table: HeaderTable, headers: ReadonlyMap<string, HeaderValue>): Record<string, unknown> {
  const made: unknown = Object.create(table.fill(headers));
  const found: [string, unknown][] = [];
  for (const name in made as Record<string, unknown>) {
    const value = (made as Record<string, unknown>)[name];
    if (value !== undefined) found.push([name, value]);
  }
  return Object.fromEntries(found);
}

test("a table of headers is of one message at a time: nothing of an earlier one is left in it", () => {
  const table = new HeaderTable();
  const all: readonly (readonly [string, HeaderValue])[][] = [
    [
      ["a", "1"],
      ["b", 2],
    ],
    [["b", "3"]],
    [
      ["__proto__", "x"],
      ["c", true],
    ],
    [
      ["a", "4"],
      ["n", new Map([["__proto__", "y"]])],
    ],
    Array.from({ length: 70 }, (_, i) => [`h${i}`, String(i)] as const),
    [],
    [["a", null]],
  ];
  for (const headers of all) {
    const expected = headers.map(([name, value]) => [name, value instanceof Map ? Object.fromEntries(value) : value] as const);
    expect(written(table, new Map(headers))).toEqual(Object.fromEntries(expected));
  }
});
