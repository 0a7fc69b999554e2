import { schemaName } from "@warren/postgres";
import { sql } from "kysely";
import type { Prng } from "../../simulation/prng.ts";
import type { Fault } from "../fault.ts";
import type { ChaosSystem } from "../system.ts";
import { persist } from "./persist.ts";

/** Errors that say nothing of the data: each is to be met by trying again, at most. */
const errorCodes = {
  serialization_failure: "40001",
  deadlock_detected: "40P01",
  lock_not_available: "55P03",
  query_canceled: "57014",
  disk_full: "53100",
  out_of_memory: "53200",
  too_many_connections: "53300",
  read_only_sql_transaction: "25006",
  admin_shutdown: "57P01",
  crash_shutdown: "57P02",
  cannot_connect_now: "57P03",
  connection_failure: "08006",
  unique_violation: "23505",
} as const;
const codes = Object.values(errorCodes);

/** The process of one connection of Warren; waits for one: the database may be recovering. Throws what stood in the way after 20 s. */
function backend(system: ChaosSystem, random: Prng): Promise<number> {
  return persist(() => pickBackend(system, random));
}

async function pickBackend({ database }: ChaosSystem, random: Prng): Promise<number> {
  const { rows } = await sql<{
    pid: number;
  }>`select pid from pg_stat_activity where application_name like 'warren%' order by pid`.execute(database.db);
  const row = random.pick(rows);
  if (row === undefined) throw new Error("Warren has no connection");
  return row.pid;
}

/** It may be gone: others end backends too. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Then nothing is to be done to it.
  }
}

interface Place {
  readonly db: ChaosSystem["database"]["db"];
  readonly schema: string;
  readonly tables: readonly string[];
}

/** Has one of `every` statements that write to the tables fail, with one code after the other. */
async function raise({ db, schema, tables }: Place, every: number): Promise<void> {
  // A sequence counts what is rolled back too.
  await sql`create sequence ${sql.id(schema, "chaos_count")}`.execute(db);
  await sql`
      create function ${sql.id(schema, "chaos_raise")}() returns trigger language plpgsql as ${sql.lit(`
      declare
        n bigint := nextval('${schema}.chaos_count');
        codes text[] := '{${codes.join(",")}}';
      begin
        if n % ${every} = 0 then
          raise exception 'chaos' using errcode = codes[1 + (n / ${every}) % ${codes.length}];
        end if;
        return null;
      end`)}`.execute(db);
  for (const table of tables) {
    await sql`
        create trigger chaos_raise before insert or update on ${sql.id(schema, table)}
        for each statement execute function ${sql.id(schema, "chaos_raise")}()`.execute(db);
  }
}

/** Faults of single connections of PostgreSQL, and of its statements. */
export const postgresFaults: readonly Fault[] = [
  {
    kind: "postgres-backend-stop",
    row: "F8",
    touches: ["postgres"],
    lastsMs: [2_000, 12_000],
    async begin(system, random) {
      const pid = await backend(system, random);
      signal(pid, "SIGSTOP");
      return { target: `backend ${pid}`, end: async () => signal(pid, "SIGCONT") };
    },
  },
  {
    kind: "postgres-backend-kill",
    row: "F7",
    touches: ["postgres"],
    lastsMs: [500, 2_000],
    async begin(system, random) {
      const pid = await backend(system, random);
      // PostgreSQL ends all others too, and recovers: shared memory may be damaged.
      signal(pid, "SIGKILL");
      const end = async (): Promise<void> => void (await persist(() => sql`select 1`.execute(system.database.db)));
      return { target: `backend ${pid}, and with it all`, end };
    },
  },
  {
    kind: "postgres-errors",
    row: "F23",
    touches: ["postgres"],
    lastsMs: [2_000, 8_000],
    async begin(system, random) {
      const { database, archive, namespace } = system;
      const every = 2 + random.below(4);
      const places = [
        { db: database.db, schema: schemaName(namespace, "broker"), tables: ["logs", "log_segments", "consumers", "parked_events"] },
        { db: archive.db, schema: schemaName(namespace, "archive"), tables: ["archived_events"] },
      ];
      const heal = async (): Promise<void> => {
        for (const { db, schema } of places) {
          await persist(() => sql`drop function if exists ${sql.id(schema, "chaos_raise")} cascade`.execute(db));
          await persist(() => sql`drop sequence if exists ${sql.id(schema, "chaos_count")}`.execute(db));
        }
      };
      const plant = async (): Promise<void> => {
        try {
          for (const place of places) await raise(place, every);
        } catch (error) {
          await heal();
          throw error;
        }
      };
      // Another fault may hold a backend that has locked a table.
      await persist(plant);
      return { target: `one of ${every} statements that store, with one of ${codes.length} codes`, end: heal };
    },
  },
];
