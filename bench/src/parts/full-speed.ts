import { startChild } from "../harness/child.ts";
import type { BenchSystem } from "./bench-system.ts";
import {
  patience,
  publishProcess,
  subscribeProcess,
  warmEvents,
  type OpenJob,
  type PublishJob,
  type Published,
  type TakeJob,
  type Taken,
} from "./jobs.ts";
import { cpuOf } from "./processes.ts";

/* Published to delivered at full speed: receivers of their own types, each with one named consumer; every event goes to one of them. */

/** Who used CPU, in microseconds for each event; and how much of the time one core was full with it, in percent. */
export interface Cost {
  readonly usPerEvent: number;
  readonly load: number;
}

/** A process, or all of its kind. */
export const roles = ["publisher", "rabbitmq", "brokers", "postgres", "archiver", "subscriber"] as const;

/** What one pass measured. */
export interface Pass {
  readonly perSecond: number;
  readonly costs: Readonly<Record<(typeof roles)[number], Cost>>;
}

/** How full one core is with each while nothing happens, in percent; over so many seconds. */
export async function idleLoad(
  system: BenchSystem,
  seconds: number,
): Promise<Readonly<Record<"rabbitmq" | "brokers" | "postgres", number>>> {
  const read = (): readonly number[] => {
    const { rabbitmq, brokers, postgres } = system.pids();
    const [first = 0, second = 0, ...rest] = cpuOf([rabbitmq, postgres, ...brokers]);
    return [first, rest.reduce((sum, us) => sum + us, 0), second];
  };
  const before = read();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const [rabbitmq = 0, brokers = 0, postgres = 0] = read().map((us, i) => (us - (before[i] ?? 0)) / (seconds * 10_000));
  return { rabbitmq, brokers, postgres };
}

/** Receivers with consumers that are live, and a publisher. */
export interface FullSpeed {
  /**
   * Publishes so many events as fast as it goes, and waits until all of them were delivered. `run`: events of one type in a row, as a sender that has types of its
   * own; 1: types mixed. Throws when an event was lost, repeated or out of order.
   */
  pass(events: number, run: number): Promise<Pass>;
  /** As `pass`, but the brokers are stopped (by SIGSTOP) while events are published and archived: nothing but delivering is measured. */
  backlog(events: number, run: number): Promise<Pass>;
  close(): Promise<void>;
}

const eventBytes = 256;

/** Opens so many receivers, spread one after the other over the brokers of these indexes (default: all). `name` keeps their types apart from those of others. */
export async function openFullSpeed(
  system: BenchSystem,
  receivers: number,
  { brokers: indexes, name = `r${receivers}` }: { readonly brokers?: readonly number[]; readonly name?: string } = {},
): Promise<FullSpeed> {
  const publisher = startChild(publishProcess);
  const subscriber = startChild(subscribeProcess);
  const types = Array.from({ length: receivers }, (_, index) => `bench.${name}n${index}.order`);
  const brokers = system.brokerUrls.filter((_, index) => indexes?.includes(index) !== false);
  const subscriptions = types.map((type, index) => ({
    brokerUrl: brokers[index % brokers.length] ?? "",
    consumer: `${type}.consumer`,
    patterns: [type],
  }));
  await subscriber.ask("open", { subscriptions } satisfies OpenJob, patience);

  function costs(): (seconds: number, events: number) => Pass {
    const pids = system.pids();
    const watched: Record<(typeof roles)[number], readonly number[]> = {
      publisher: [publisher.pid],
      rabbitmq: [pids.rabbitmq],
      brokers: pids.brokers,
      postgres: [pids.postgres],
      archiver: [pids.archiver],
      subscriber: [subscriber.pid],
    };
    const all = roles.flatMap((role) => watched[role]);
    const read = (): readonly number[] => {
      const used = new Map(cpuOf(all).map((us, i) => [all[i], us]));
      return roles.map((role) => watched[role].reduce((sum, pid) => sum + (used.get(pid) ?? 0), 0));
    };
    const before = read();
    return (seconds, events) => {
      const after = read();
      const each = roles.map((role, i): readonly [string, Cost] => {
        const us = (after[i] ?? 0) - (before[i] ?? 0);
        return [role, { usPerEvent: us / events, load: us / (seconds * 10_000) }];
      });
      return { perSecond: events / seconds, costs: Object.fromEntries(each) as Pass["costs"] };
    };
  }

  async function publish(events: number, run: number): Promise<void> {
    const { amqpUrl, exchange } = system;
    const job: PublishJob = { amqpUrl, exchange, packing: true, call: "each", eventBytes, types, run, events, window: 5_000 };
    const { failed } = await publisher.ask<Published>("publish", job, patience);
    if (failed > 0) throw new Error(`${failed} events were not published`);
  }

  async function take(events: number): Promise<Taken> {
    const taken = await subscriber.ask<Taken>("take", { events } satisfies TakeJob, patience);
    if (taken.wrong > 0) throw new Error(`${taken.wrong} events were lost, repeated or out of order`);
    return taken;
  }

  return {
    async pass(events, run) {
      const all = events + warmEvents;
      const cost = costs();
      const [{ seconds }] = await Promise.all([take(all), publish(events, run)]);
      return cost(seconds, all);
    },
    async backlog(events, run) {
      const all = events + warmEvents;
      const { brokers: pids } = system.pids();
      const before = await archivedEvents(system.archiverUrl);
      const go = (): void => pids.forEach((pid) => process.kill(pid, "SIGCONT"));
      for (const pid of pids) process.kill(pid, "SIGSTOP");
      try {
        await publish(events, run);
        while ((await archivedEvents(system.archiverUrl)) < before + all) await new Promise((resolve) => setTimeout(resolve, 20));
      } catch (error) {
        go();
        throw error;
      }
      // They deliver from the moment they go: looking at processes comes before.
      const cost = costs();
      const began = performance.now();
      go();
      await take(all);
      return cost((performance.now() - began) / 1000, all);
    },
    async close() {
      await subscriber.ask("close");
      await Promise.all([publisher.stop(), subscriber.stop()]);
    },
  };
}

/** Two cells of a table for each role: CPU for each event, and how full one core was. */
export const costCells = (pass: Pass): readonly string[] =>
  roles.map((role) => `${pass.costs[role].usPerEvent.toFixed(1)} us, ${Math.round(pass.costs[role].load)} %`);

/** Events that an archiver has stored since it began. */
export async function archivedEvents(archiverUrl: string): Promise<number> {
  const text = await (await fetch(`${archiverUrl}/metrics`)).text();
  return Number(/^warren_archiver_events_total (\d+)/m.exec(text)?.[1] ?? 0);
}

/** The pass with the median rate. */
export function middle(passes: readonly Pass[]): Pass {
  const pass = passes.toSorted((a, b) => a.perSecond - b.perSecond)[Math.floor(passes.length / 2)];
  if (pass === undefined) throw new Error("there was a pass");
  return pass;
}
