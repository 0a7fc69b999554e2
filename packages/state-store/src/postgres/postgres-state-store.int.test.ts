import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/testkit";
import { sql } from "kysely";
import { describe, expect, inject, test } from "vitest";
import { describeStateStore } from "../contract/index.ts";
import { createPostgresStateStore, migrateStateStore } from "./postgres-state-store.ts";

async function open() {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "state store test", logger: silentLogger });
  await Promise.all([migrateStateStore(database), migrateStateStore(database)]);
  const close = async (): Promise<void> => {
    await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
    await database.close();
  };
  return { store: createPostgresStateStore(database), database, schema, close };
}

describeStateStore("PostgreSQL", open);

describe("the view `state`", () => {
  test("shows the state as one document", async () => {
    const { store, database, schema, close } = await open();
    const config = { exchange: "events", patterns: ["a.#"] };
    const { receiverId } = await store.ensureReceiver("key", config);
    await store.claimConsumer("billing", receiverId, 7n);
    const { rows } = await sql`select state from ${sql.id(schema, "state")}`.execute(database.db);
    expect(rows).toEqual([{ state: [{ config, consumers: { billing: 7 } }] }]);
    await close();
  });
});
