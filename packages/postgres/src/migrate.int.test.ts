import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/test-servers";
import { sql, type Kysely } from "kysely";
import { expect, inject, test } from "vitest";
import { openDatabase, schemaName } from "./database.ts";
import { migrate } from "./migrate.ts";

test("tables are made while schemas of others come and go", async () => {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "migrate test", logger: silentLogger });
  const { db } = database;
  const until = new AbortController();
  async function comeAndGo(name: string): Promise<void> {
    while (!until.signal.aborted) {
      await sql`create schema ${sql.id(name)}`.execute(db);
      for (let n = 0; n < 20; n += 1) await sql`create table ${sql.id(name, `t${n}`)} (a int, b text, c text, d text)`.execute(db);
      await sql`drop schema ${sql.id(name)} cascade`.execute(db);
    }
  }
  const others = [1, 2, 3].map((n) => comeAndGo(`${schema}_${n}`));
  const steps = {
    "0001": { up: (target: Kysely<unknown>) => sql`create table ${sql.id(schema, "t")} (a int)`.execute(target).then(() => undefined) },
  };
  for (let round = 0; round < 10; round += 1) {
    await migrate(database, "test", steps);
    expect((await sql`select * from ${sql.id(schema, "t")}`.execute(db)).rows).toEqual([]);
    await sql`drop schema ${sql.id(schema)} cascade`.execute(db);
  }
  until.abort();
  await Promise.all(others);
  await database.close();
});
