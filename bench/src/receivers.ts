import type { Report, ScenarioOptions } from "./harness/report.ts";
import { ratioOf, shown, spreadBy } from "./harness/rounds.ts";
import { startBenchSystem } from "./parts/bench-system.ts";
import { costCells, idleLoad, middle, openFullSpeed, roles, type FullSpeed, type Pass } from "./parts/full-speed.ts";

/*
 * One broker process with 1, 10, 100, 1 000 receivers: events a second over all of them, published to delivered. Every event goes to one receiver, so that the work is
 * the same and only its spread differs. All receivers stay open: the one of the first row has the others idle beside it.
 */

/** How types follow each other: a sender has runs of its own types; mixed ones are the worst case, since a pack then goes to many queues. */
const orders = { "in runs of 100": 100, mixed: 1 };

/** Events/s by number of receivers, and who pays. */
export async function receivers({ quick, say }: ScenarioOptions): Promise<Report> {
  const counts = quick ? [1, 10, 100] : [1, 10, 100, 1_000];
  const rounds = quick ? 2 : 3;
  const events = quick ? 30_000 : 60_000;
  const system = await startBenchSystem({ say });
  const open: FullSpeed[] = [];
  const turns: { readonly name: string; readonly run: number; readonly fullSpeed: FullSpeed; readonly passes: Pass[] }[] = [];
  const idle: Idle[] = [];
  try {
    for (const count of counts) {
      say(`opening ${count} receivers`);
      const fullSpeed = await openFullSpeed(system, count);
      open.push(fullSpeed);
      idle.push({ receivers: count, load: await idleLoad(system, quick ? 4 : 20) });
      for (const [name, run] of Object.entries(orders))
        if (count > 1 || run > 1) turns.push({ name: count === 1 ? "1" : `${count}, types ${name}`, run, fullSpeed, passes: [] });
    }
    for (let round = 0; round <= rounds; round += 1) {
      for (const { name, run, fullSpeed, passes } of turns) {
        const pass = await fullSpeed.pass(events, run);
        say(`round ${round}: ${name}: ${Math.round(pass.perSecond)} events/s`);
        // The first one warms up.
        if (round > 0) passes.push(pass);
      }
    }
    for (const fullSpeed of open) await fullSpeed.close();
  } finally {
    await system.stop();
  }
  return toReport(new Map(turns.map(({ name, passes }) => [name, passes])), idle, rounds, events);
}

interface Idle {
  readonly receivers: number;
  readonly load: Awaited<ReturnType<typeof idleLoad>>;
}

function toReport(results: ReadonlyMap<string, readonly Pass[]>, idle: readonly Idle[], rounds: number, events: number): Report {
  const spread = (key: string) => spreadBy(results.get(key) ?? [], ({ perSecond }) => perSecond);
  const keys = [...results.keys()];
  const one = spread(keys[0] ?? "");
  const curve = Object.fromEntries(keys.slice(1).map((key) => [`${key} / 1`, ratioOf(spread(key), one)]));
  return {
    title: "One broker, many receivers: events/s over all, published to delivered (256 B)",
    columns: ["receivers", "events/s", ...roles.map((role) => `${role}, CPU an event, of a core`)],
    rows: keys.map((key) => [key, shown(spread(key)), ...costCells(middle(results.get(key) ?? []))]),
    tables: [
      {
        title: "Nothing is published: how full a core is with each",
        columns: ["receivers opened, after those above", "rabbitmq", "broker", "postgres"],
        rows: idle.map(({ receivers: opened, load }) => [
          String(opened),
          ...[load.rabbitmq, load.brokers, load.postgres].map((percent) => `${percent.toFixed(1)} %`),
        ]),
      },
    ],
    ratios: curve,
    notes: [
      `${rounds} rounds of ${events} events, taking turns; each receiver has one named consumer that acks every event; the archiver archives all. CPU of the pass in the middle.`,
    ],
    charts: [
      {
        title: "Events/s over all receivers of one broker",
        unit: "events/s",
        series: ["events/s"],
        groups: keys.map((key) => ({ name: key, values: [spread(key).median] })),
      },
    ],
    raw: { passes: Object.fromEntries(results), idle },
    right: true,
  };
}
