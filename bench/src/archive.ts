import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createPostgresArchiveStore, migrateArchive, type ArchiveStore } from "@warren/event-store/archive";
import type { Database } from "@warren/postgres";
import { startPostgres } from "@warren/test-servers";
import { sql } from "kysely";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, ratioOf, round2, shown, spreadBy, spreadOf, takeTurns, type Spread } from "./harness/rounds.ts";
import { openBenchDatabase, postgresPid, steadyFlags } from "./parts/bench-log.ts";
import { startBenchSystem } from "./parts/bench-system.ts";
import { archivedEvents, openFullSpeed } from "./parts/full-speed.ts";
import { warmEvents } from "./parts/jobs.ts";
import { makeSlices } from "./parts/made-events.ts";
import { watchCpu } from "./parts/processes.ts";

/*
 * The archive: rows that SQL can ask anything, each once. What does appending them cost against COPY of the same rows into the same table with the same indexes, which
 * has no unique keys, no positions to give and no repeats to find, and reads what the server itself wrote before? And is the archiver ahead of the broker, when both
 * get all events at full speed?
 */

const batchSizes = [100, 500] as const;
/** Ahead: who archives as fast as is delivered; a twentieth is lost to how often it is asked. */
const goal = { copy: 0.5, ahead: 0.95 };
const eventBytes = 256;

interface Figures {
  readonly perSecond: number;
  readonly nodeUs: number;
  readonly serverUs: number;
}

/** Archive append against COPY, and archiver against broker. */
export async function archive(options: ScenarioOptions): Promise<Report> {
  const appends = await appendAgainstCopy(options);
  const races = await race(options);
  const of = (name: string, key: keyof Figures): Spread => spreadBy(appends[name] ?? [], (figures) => figures[key]);
  const name = (way: string, batch: number): string => `${way}, batches of ${batch}`;
  const rate = (way: string, batch: number): Spread => of(name(way, batch), "perSecond");
  const copy = Object.fromEntries(
    batchSizes.map((batch) => [`append / COPY, batches of ${batch}`, ratioOf(rate("append", batch), rate("COPY", batch))]),
  );
  const [full] = Object.values(copy).slice(-1);
  const ahead = round2(spreadOf(races.map(({ ahead: each }) => each)).median);
  return {
    title: `Archive: append of searchable rows against COPY of the same rows (${eventBytes} B events, durable commits)`,
    columns: ["way", "events/s", "node us/event", "server us/event"],
    rows: Object.keys(appends).map((each) => [
      each,
      shown(of(each, "perSecond")),
      of(each, "nodeUs").median.toFixed(1),
      of(each, "serverUs").median.toFixed(1),
    ]),
    tables: [
      {
        title: "All events to both at full speed: one receiver with one live consumer, and the archive",
        columns: ["round", "delivered, events/s", "archived, events/s", "not archived yet when all were delivered"],
        rows: races.map(({ delivered, archived, behind }, i) => [String(i + 1), count(delivered), count(archived), count(behind)]),
      },
    ],
    ratios: { ...copy, "archived / delivered": ahead },
    goals: [
      {
        measure: "archive append, batches of 500",
        against: "COPY of the same rows alone",
        ratio: full ?? 0,
        goal: goal.copy,
        better: "more",
      },
      { measure: "archived, events/s", against: "delivered by the broker", ratio: ahead, goal: goal.ahead, better: "more" },
    ],
    notes: ["COPY: one file and one transaction for each batch, binary, read by the server itself."],
    raw: { appends, races },
    right: (full ?? 0) >= goal.copy && ahead >= goal.ahead,
  };
}

async function appendAgainstCopy({ quick, say }: ScenarioOptions): Promise<Readonly<Record<string, readonly Figures[]>>> {
  const rounds = quick ? 3 : 5;
  const events = quick ? 10_000 : 50_000;
  const postgres = await startPostgres({ postgresFlags: steadyFlags });
  const folder = await mkdtemp(join(tmpdir(), "warren-bench-copy-"));
  // PostgreSQL may be another user.
  await chmod(folder, 0o777);
  const pid = postgresPid(postgres.archiverUrl);
  const database = openBenchDatabase(postgres.archiverUrl, "bench_archive");
  try {
    await migrateArchive(database);
    const store = createPostgresArchiveStore(database);
    const copies = sql.id(database.schema, "copied");
    await sql`create table ${copies} (like ${sql.id(database.schema, "archived_events")} including all)`.execute(database.db);
    const names = batchSizes.flatMap((batch) => [`append, batches of ${batch}`, `COPY, batches of ${batch}`]);
    say(`append and COPY of ${count(events)} events`);
    const files = new Map<number, readonly string[]>();
    const turn = async (name: string): Promise<Figures> => {
      const batch = Number(name.split(" ").at(-1));
      const run = name.startsWith("append")
        ? await prepareAppend(store, events, batch)
        : async () => {
            for (const file of files.get(batch) ?? [])
              await sql`copy ${copies} from ${sql.lit(file)} with (format binary)`.execute(database.db);
          };
      const before = await store.head();
      const [cpu, node, began] = [watchCpu({ server: pid }), process.cpuUsage(), performance.now()];
      await run();
      const seconds = (performance.now() - began) / 1000;
      const used = process.cpuUsage(node);
      const figures = {
        perSecond: events / seconds,
        nodeUs: (used.user + used.system) / events,
        serverUs: cpu.since().server / events,
      };
      if (name.startsWith("append")) files.set(batch, await writeFiles(database, folder, before, events, batch));
      return figures;
    };
    for (const name of names) await turn(name);
    return await takeTurns(names, rounds, turn);
  } finally {
    await database.close();
    await postgres.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Makes the events first. */
async function prepareAppend(store: ArchiveStore, events: number, batch: number): Promise<() => Promise<void>> {
  const batches = Array.from({ length: events / batch }, () => makeSlices(batch, eventBytes));
  return async () => {
    for (const each of batches) {
      const result = await store.append(each, []);
      if (result.kind !== "stored" || result.stored !== batch) throw new Error("not all were stored");
    }
  };
}

/** Has the server write what was just appended, a file for each batch. */
async function writeFiles({ db, schema }: Database<unknown>, folder: string, before: bigint, events: number, batch: number) {
  const files: string[] = [];
  for (let done = 0; done < events; done += batch) {
    const file = join(folder, `${batch}-${done}`);
    const from = before + BigInt(done);
    await sql`copy (select * from ${sql.id(schema, "archived_events")} where position > ${sql.lit(from)} and position <= ${sql.lit(from + BigInt(batch))} order by position)
      to ${sql.lit(file)} with (format binary)`.execute(db);
    files.push(file);
  }
  return files;
}

interface Race {
  readonly delivered: number;
  readonly archived: number;
  /** Archived and delivered, as a ratio of their rates. */
  readonly ahead: number;
  readonly behind: number;
}

async function race({ quick, say }: ScenarioOptions): Promise<readonly Race[]> {
  const events = quick ? 50_000 : 300_000;
  const system = await startBenchSystem({ say });
  try {
    const fullSpeed = await openFullSpeed(system, 1);
    const races: Race[] = [];
    for (let round = 0; round <= (quick ? 2 : 4); round += 1) {
      const before = await archivedEvents(system.archiverUrl);
      const began = performance.now();
      const archiving = (async () => {
        while ((await archivedEvents(system.archiverUrl)) < before + events + warmEvents)
          await new Promise((resolve) => setTimeout(resolve, 20));
        return (performance.now() - began) / 1000;
      })();
      const { perSecond } = await fullSpeed.pass(events, 100);
      const behind = before + events + warmEvents - (await archivedEvents(system.archiverUrl));
      const archived = (events + warmEvents) / (await archiving);
      say(`round ${round}: delivered ${count(perSecond)}/s, archived ${count(archived)}/s`);
      // The first one warms up.
      if (round > 0) races.push({ delivered: perSecond, archived, ahead: archived / perSecond, behind });
    }
    await fullSpeed.close();
    return races;
  } finally {
    await system.stop();
  }
}
