import { openDatabase, schemaName, type Database } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { expect, inject, test } from "vitest";
import { migrateArchive } from "./archive/index.ts";
import { migrateEventLog } from "./postgres/postgres-event-log.ts";

const left = ["autovacuum_vacuum_insert_threshold=-1", "autovacuum_freeze_min_age=0"];

/** Settings of each table that is no partitioned one and whose name begins so, and of its TOAST table when it has one. */
async function settingsOf(database: Database<unknown>, name: string): Promise<readonly unknown[]> {
  const { rows } = await sql<{ options: unknown }>`
    select t.reloptions as options from pg_class c join pg_class t on t.oid in (c.oid, c.reltoastrelid)
    where c.relnamespace = ${database.schema}::regnamespace and c.relkind = 'r' and starts_with(c.relname, ${name})`.execute(database.db);
  return rows.map(({ options }) => options);
}

test.each([
  { app: "broker", migrateTables: migrateEventLog, tables: { log_segments: 8 * 2, log_event_keys: 8, logs: 0 } },
  { app: "archive", migrateTables: migrateArchive, tables: { archived_events: 2, archived_event_keys: 1, archive_head: 0 } },
] as const)(
  "autovacuum leaves inserted rows of the $app alone, in every partition and its TOAST table",
  async ({ app, migrateTables, tables }) => {
    const schema = schemaName(testNamespace(), app);
    const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
    await migrateTables(database);
    for (const [name, expected] of Object.entries(tables)) {
      const settings = await settingsOf(database, name);
      expect(settings.filter((each) => JSON.stringify(each) === JSON.stringify(left)).length, name).toBe(expected);
    }
    await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
    await database.close();
  },
);
