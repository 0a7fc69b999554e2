import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/testkit";
import { sql, type Kysely } from "kysely";
import { afterAll, expect, inject, test } from "vitest";
import { openDatabase } from "./database.ts";
import { migrate } from "./migrate.ts";

const namespace = testNamespace();
const open = (schema: string) =>
  openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "test", logger: silentLogger });
const databases = Array.from({ length: 4 }, (_, i) => open(`${namespace}_${i}`));
const other = open("public");
afterAll(async () => {
  for (const { schema } of databases) await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(other.db);
  await Promise.all([...databases, other].map((database) => database.close()));
});

test("migrations run while others make and drop schemas of their own in the same database", async () => {
  let done = false;
  const disturb = async (name: string): Promise<void> => {
    while (!done) {
      await sql`create schema ${sql.id(name)}`.execute(other.db);
      for (const table of ["a", "b", "c"]) await sql`create table ${sql.id(name, table)} (id serial)`.execute(other.db);
      await sql`drop schema ${sql.id(name)} cascade`.execute(other.db);
    }
  };
  const disturbing = [1, 2, 3].map((i) => disturb(`${namespace}_other_${i}`));
  const rounds = Array.from({ length: 10 }, (_, round) => round);
  try {
    for (const round of rounds) {
      const made = (db: Kysely<unknown>, schema: string) => sql`create table ${sql.id(schema, `t${round}`)} (id int)`.execute(db);
      await Promise.all(
        databases.map((each) => migrate(each, `o${round}`, { "0001_init": { up: async (db) => void (await made(db, each.schema)) } })),
      );
    }
  } finally {
    done = true;
    await Promise.all(disturbing);
  }
  for (const each of databases) {
    const { rows } =
      await sql`select relname from pg_class where relnamespace = ${each.schema}::regnamespace and relname ~ '^t[0-9]+$'`.execute(other.db);
    expect(rows).toHaveLength(rounds.length);
  }
});
