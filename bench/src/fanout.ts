import { fileURLToPath } from "node:url";
import { startRealSystem } from "@warren/testkit";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, ratioOf, round2, shown, spreadBy, takeTurns } from "./harness/rounds.ts";
import { Stage, type Throughput } from "./peers/measure.ts";

/*
 * One receiver, and 1, 10, 100, 1 000 names that read it live, each with a place of its own: what does it cost that one more listens? All names are in one process, a
 * stream for each. There is no archive: events are stored once, whoever listens.
 */

/** Deliveries a second to a thousand names. */
const goal = 200_000;

/** Events and deliveries a second by number of names, and who pays. */
export async function fanout({ quick, say }: ScenarioOptions): Promise<Report> {
  const names = ["1", "10", "100", "1000"] as const;
  const rounds = quick ? 2 : 3;
  const seconds = quick ? 1.5 : 4;
  const main = fileURLToPath(new URL("../../apps/cli/dist/main.js", import.meta.url));
  const system = await startRealSystem(main, say, { archive: false });
  const { amqpUrl, exchange, brokerUrl } = system;
  const stage = new Stage({ client: "warren", storesLater: true }, { amqpUrl, exchange, brokerUrl });
  try {
    const results = await takeTurns(names, rounds, async (name, round) => {
      // What is published to warm up goes to all of them.
      const warmSeconds = Math.min(0.5, 10 / Number(name));
      const result = await stage.throughput(Number(name), { seconds, warmSeconds, firstWarmSeconds: warmSeconds });
      say(
        `round ${round + 1}/${rounds}, ${name} names: ${count(result.perSecond)} events/s, ${count(result.perSecond * Number(name))} deliveries/s`,
      );
      return result;
    });
    return toReport(results, rounds);
  } finally {
    await stage.stop();
    await system.stop();
  }
}

function toReport(results: Readonly<Record<string, readonly Throughput[]>>, rounds: number): Report {
  const events = (name: string) => spreadBy(results[name] ?? [], ({ perSecond }) => perSecond);
  const deliveries = (name: string) => spreadBy(results[name] ?? [], ({ perSecond }) => perSecond * Number(name));
  const names = Object.keys(results);
  const cost = (name: string): readonly string[] => {
    const cpu = results[name]?.at(-1)?.cpu ?? {};
    return ["broker", "subscribers"].map((role) => round2((cpu[role] ?? 0) / Number(name)).toString());
  };
  const most = deliveries("1000").median;
  return {
    title: "One receiver, many names: events/s, and deliveries/s to all of them (256 B)",
    columns: ["names", "events/s", "deliveries/s", "broker, us a delivery", "subscribers, us a delivery"],
    rows: names.map((name) => [name, shown(events(name)), shown(deliveries(name)), ...cost(name)]),
    ratios: Object.fromEntries(
      names.slice(1).map((name) => [`deliveries/s, ${name} names / 1`, ratioOf(deliveries(name), deliveries("1"))]),
    ),
    goals: [{ measure: "deliveries/s to 1 000 names", against: `${count(goal)}/s`, ratio: round2(most / goal), goal: 1, better: "more" }],
    notes: [
      `${rounds} rounds in turn. Every name got every event, in order, once, and acked it. Names are in one process; CPU is of the last round, and that of the broker has storing in it.`,
    ],
    charts: [
      {
        title: "Deliveries/s from one receiver, by number of names",
        unit: "deliveries/s",
        series: ["deliveries/s"],
        groups: names.map((name) => ({ name, values: [deliveries(name).median] })),
      },
    ],
    raw: results,
    right: true,
  };
}
