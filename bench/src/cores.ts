import type { Report, ScenarioOptions } from "./harness/report.ts";
import { ratioOf, shown, spreadBy, takeTurns } from "./harness/rounds.ts";
import { startBenchSystem } from "./parts/bench-system.ts";
import { holdTo } from "./parts/hold.ts";
import { costCells, middle, openFullSpeed, roles, type Pass } from "./parts/full-speed.ts";

/*
 * Where does one broker process saturate, and do two on the same tables give more? Ten receivers on one broker take turns with ten that are split between two brokers:
 * while events are published at full speed; with a backlog (the brokers are stopped while events are published and archived, so that afterwards the machine has nothing
 * to do but what brokers make it do); and with each broker process held to a small part of a core, so that it is the wall whatever the machine has.
 */

const receiversPerSet = 10;
/** Of a core, for a broker that is held. */
const heldTo = 0.05;

/** One broker against two. */
export async function cores({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 3 : 7;
  // A stopped broker answers no heartbeat: it must not take long.
  const events = { live: quick ? 40_000 : 150_000, backlog: 40_000, held: quick ? 10_000 : 20_000 };
  const system = await startBenchSystem({ say, brokers: 2 });
  const names = ["live", "backlog", "held"].flatMap((how) => [`one broker, ${how}`, `two brokers, ${how}`]);
  try {
    say("opening 10 receivers on one broker, and 10 split between two");
    const sets = {
      one: await openFullSpeed(system, receiversPerSet, { brokers: [0], name: "one" }),
      two: await openFullSpeed(system, receiversPerSet, { brokers: [0, 1], name: "two" }),
    };
    const measure = async (name: string): Promise<Pass> => {
      const set = name.startsWith("one") ? sets.one : sets.two;
      if (name.endsWith("live")) return set.pass(events.live, 100);
      if (name.endsWith("backlog")) return set.backlog(events.backlog, 100);
      const letGo = holdTo(heldTo, system.pids().brokers);
      try {
        return await set.pass(events.held, 100);
      } finally {
        letGo();
      }
    };
    const turn = async (name: string): Promise<Pass> => {
      const pass = await measure(name);
      say(`${name}: ${Math.round(pass.perSecond)} events/s`);
      return pass;
    };
    for (const name of names) await turn(name);
    const results = await takeTurns(names, rounds, turn);
    await sets.one.close();
    await sets.two.close();
    const spread = (name: string) => spreadBy(results[name] ?? [], ({ perSecond }) => perSecond);
    return {
      title: "One broker process against two on the same tables: 10 receivers, published to delivered (256 B)",
      columns: ["brokers", "events/s", ...roles.map((role) => `${role}, CPU an event, of a core`)],
      rows: names.map((name) => [name, shown(spread(name)), ...costCells(middle(results[name] ?? []))]),
      ratios: {
        "two / one, live": ratioOf(spread("two brokers, live"), spread("one broker, live")),
        "two / one, backlog": ratioOf(spread("two brokers, backlog"), spread("one broker, backlog")),
        "two / one, held": ratioOf(spread("two brokers, held"), spread("one broker, held")),
      },
      notes: [
        `Held: each broker process to ${heldTo * 100} % of a core.`,
        `${rounds} rounds, taking turns. "Of a core": 100 % is a process that one core is not enough for, if it has one thread; all together cannot pass what the machine has.`,
      ],
      raw: results,
      right: true,
    };
  } finally {
    await system.stop();
  }
}
