import { checkHistory } from "../check-history.ts";
import { anomalies } from "./anomalies.ts";
import { generateHistory } from "./generate-history.ts";
import { greenHistory } from "./green-history.ts";

/** What the checker is worth. */
export interface SelfTest {
  /** Planted anomalies, and those of them that the rule they break did not find. */
  readonly planted: number;
  readonly missed: readonly string[];
  /** Histories in which all went well, and what was said against them. */
  readonly green: number;
  readonly alarms: readonly string[];
  /** For people: `checker self-test: 35/35 found, 0/100 false alarms`. */
  readonly text: string;
}

/** Has the checker judge every planted anomaly and `green` (default 100) generated histories. The same every time; takes about a second. */
export function selfTest(green = 100): SelfTest {
  const missed = anomalies.filter(({ rule, plant }) => {
    const history = greenHistory();
    plant(history);
    return !checkHistory(history).some((violation) => violation.rule === rule);
  });
  const seeds = Array.from({ length: green }, (_, index) => index + 1);
  const alarms = seeds.flatMap((seed) =>
    checkHistory(generateHistory(seed))
      .slice(0, 1)
      .map(({ rule, text }) => `seed ${seed}: ${rule}: ${text}`),
  );
  const found = anomalies.length - missed.length;
  return {
    planted: anomalies.length,
    missed: missed.map(({ what, rule }) => `${what} (${rule})`),
    green,
    alarms,
    text: `checker self-test: ${found}/${anomalies.length} found, ${alarms.length}/${green} false alarms`,
  };
}
