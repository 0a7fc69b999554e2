import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** One bad input: what is sent, what must come of it, and how to send it. */
export interface BadInputRow<World> {
  /** Its number in docs/bad-input.md; a letter tells cases of one number apart. */
  readonly number: string;
  readonly input: string;
  /** Status and code of Warren, or what becomes of the event. */
  readonly expected: string;
  /** Why it is so, where another answer would be usual. */
  readonly note?: string;
  got(world: World): Promise<string>;
}

/** What became of a row. */
export interface BadInputResult {
  readonly number: string;
  readonly area: string;
  readonly input: string;
  readonly expected: string;
  readonly got: string;
  readonly note: string;
}

declare module "vitest" {
  interface TaskMeta {
    badInput?: BadInputResult;
  }
}

/** A test for each row, all on one world. `npm run bad-input` prints what each of them got. */
export function describeBadInput<World extends { close(): Promise<void> }>(
  area: string,
  rows: readonly BadInputRow<World>[],
  open: () => Promise<World>,
): void {
  describe(`bad input: ${area}`, () => {
    let world: World;
    beforeAll(async () => {
      world = await open();
    });
    afterAll(() => world.close());

    for (const { number, input, expected, note = "", ...row } of rows) {
      test(`${number} ${input}`, async ({ task }) => {
        const result = { number, area, input, expected, note };
        try {
          const got = await row.got(world);
          task.meta.badInput = { ...result, got };
          expect(got).toBe(expected);
        } catch (error) {
          task.meta.badInput ??= { ...result, got: String(error).split("\n", 1)[0] ?? "" };
          throw error;
        }
      });
    }
  });
}
