import { describe, expect, test } from "vitest";
import { Prng } from "../../simulation/prng.ts";
import { checkHistory } from "../check-history.ts";
import { anomalies } from "./anomalies.ts";
import { generateHistory } from "./generate-history.ts";
import { greenHistory } from "./green-history.ts";
import { mutations } from "./mutations.ts";
import { selfTest } from "./self-test.ts";

describe("the checker", () => {
  test.each(anomalies)("finds $what ($rule)", ({ rule, plant }) => {
    const history = greenHistory();
    plant(history);
    expect([...new Set(checkHistory(history).map((violation) => violation.rule))]).toContain(rule);
  });

  test(`finds ${anomalies.length} of ${anomalies.length} planted anomalies, and raises no alarm at 100 histories in which all went well`, () => {
    const { missed, alarms, text } = selfTest();
    expect({ missed, alarms }).toEqual({ missed: [], alarms: [] });
    expect(anomalies.length).toBeGreaterThanOrEqual(30);
    expect(text).toBe(`checker self-test: ${anomalies.length}/${anomalies.length} found, 0/100 false alarms`);
  });

  const histories = Array.from({ length: 16 }, (_, index) => generateHistory(index + 1));
  test.each(mutations)("finds $what at any place of any history ($rule)", ({ rule, apply }) => {
    let applied = 0;
    for (const [index, { records, logs, complete }] of histories.entries()) {
      const random = new Prng(index + 1);
      for (let place = 0; place < 2; place += 1) {
        const copies = logs.map(({ log, events, commits, gaps }) => ({ log, events: [...events], commits: [...commits], gaps: [...gaps] }));
        const history = { records: [...records], logs: copies, complete: [...complete] };
        if (!apply(history, random)) continue;
        applied += 1;
        expect({ seed: index + 1, place, rules: checkHistory(history).map((violation) => violation.rule) }).toMatchObject({
          rules: expect.arrayContaining([rule]) as unknown,
        });
      }
    }
    expect(applied).toBeGreaterThan(4);
  });
});
