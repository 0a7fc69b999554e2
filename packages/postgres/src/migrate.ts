import { isWarrenError, WarrenError } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import { Migrator, type Migration } from "kysely/migration";
import type { Database } from "./database.ts";
import { toStoreError } from "./database-errors.ts";

/** Migrations of one package, by name, in the order of their names; only ever added to. */
export type Migrations = Readonly<Record<string, Migration>>;

/**
 * Makes the schema, and brings the tables of one package up to date. Safe when several processes start together: a lock lets one go first. `owner` names
 * the package, so that packages that share a schema keep their migrations apart. Throws STORE_UNAVAILABLE, or CONFIG_INVALID when the role may not.
 */
export async function migrate<Tables>(database: Database<Tables>, owner: string, migrations: Migrations): Promise<void> {
  const { schema } = database;
  // Migrations name their own schema; the builder given to them has it set.
  const db = database.db as unknown as Kysely<unknown>;
  try {
    await createSchema(db, schema);
    const migrator = new Migrator({
      db,
      provider: { getMigrations: () => Promise.resolve({ ...migrations }) },
      migrationTableName: `${owner}_migrations`,
      migrationLockTableName: `${owner}_migrations_lock`,
      migrationTableSchema: schema,
    });
    const { error } = await migrator.migrateToLatest();
    if (error !== undefined) throw error;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "42501") {
      throw new WarrenError("CONFIG_INVALID", `the database role may not create schema ${schema}; grant it CREATE on the database`, {
        cause: error,
      });
    }
    throw isWarrenError(error) ? error : toStoreError(error);
  }
}

/** Two sessions that create one schema at once collide in the catalogue: the loser finds it there. */
async function createSchema(db: Kysely<unknown>, schema: string): Promise<void> {
  try {
    await sql`create schema if not exists ${sql.id(schema)}`.execute(db);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code !== "23505" && code !== "42P06") throw error;
  }
}
