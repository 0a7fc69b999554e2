import type { Table } from "../harness/report.ts";
import { count, millis } from "../harness/rounds.ts";
import { isMet } from "../harness/report.ts";
import type { Limits, RateLimit } from "../limits/measure.ts";
import type { Comparison } from "./goals.ts";

/** For each missed goal: what it asks for on this machine, what minimal programs on the same parts reach, and whether they forbid it. */
export function floorsTable(comparisons: readonly Comparison[], limits: Limits): Table {
  const missed = comparisons.flatMap((each) =>
    each.goal === undefined || isMet({ ...each, goal: each.goal }) ? [] : [{ ...each, asked: each.theirs * each.goal }],
  );
  return {
    title: "Missed goals, and what the parts allow",
    columns: ["measure", "against", "asked for", "minimal programs reach", "limited by", "the goal is, by them"],
    rows: missed.map(({ measure, against, asked, ours, better }) => {
      const floor = floorOf(measure, limits);
      const format = better === "more" ? (value: number) => `${count(value)}/s` : (value: number) => `${millis(value)} ms`;
      if (floor === undefined) return [measure, against, format(asked), "-", "-", unbounded];
      const ahead = better === "more" ? ours / floor.value : floor.value / ours;
      // What was reached is possible: a minimal program that is far behind tells nothing of what is not.
      if (ahead > alike) return [measure, against, format(asked), format(ours), "Warren itself, which passes them", unbounded];
      const reached = ahead > 1 ? ours : floor.value;
      const by = ahead > 1 ? `${floor.by}, and Warren, which is as good` : floor.by;
      const short = better === "more" ? reached < asked : reached > asked;
      return [measure, against, format(asked), format(reached), by, short ? "out of reach" : "within reach"];
    }),
  };
}

/** Programs that differ by less meet the same limit, as far as such a run can tell: the rounds of one differ by more. */
const alike = 1.1;

const unbounded = "not bounded here";

interface Floor {
  readonly value: number;
  readonly by: string;
}

function floorOf(measure: string, { streams, straight, foreign, straightLatency }: Limits): Floor | undefined {
  const whole = "the straight path";
  const [, percentile, receivers] = /^(p50|p99), (\d+)/.exec(measure) ?? [];
  if (percentile !== undefined) {
    const latency = straightLatency.get(Number(receivers));
    return latency === undefined ? undefined : { value: percentile === "p50" ? latency.p50 : latency.p99, by: whole };
  }
  const bounds = (limit: RateLimit | undefined, by: string): Floor | undefined => limit && { value: limit.perSecond, by };
  const [, subscribers] = /delivered, (\d+)/.exec(measure) ?? [];
  // Also where a part by itself gave less: what the whole has reached is possible.
  if (subscribers !== undefined) return bounds(straight.get(Number(subscribers)), whole);
  if (measure.startsWith("one event per AMQP message")) return bounds(foreign.get(1), `${whole}, plain messages`);
  return measure === "catching up" ? bounds(streams.get(1), "HTTP/2") : undefined;
}
