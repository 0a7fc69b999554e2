import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/test-servers";
import { sql } from "kysely";
import { describe, expect, inject, test, vi } from "vitest";
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

describe("a claim and a retirement that meet in the database", () => {
  test("W13: the one that waits for the other sees what it did", async () => {
    const { store, database, schema, close } = await open();
    const config = { exchange: "events", patterns: ["a.#"] };
    const ready = async (key: string) => store.markReady((await store.ensureReceiver(key, config)).receiverId, 1);
    const waits = () =>
      vi.waitFor(async () => {
        const { rows } = await sql`select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like ${`%${schema}%`}`.execute(
          database.db,
        );
        expect(rows).toHaveLength(1);
      });
    const [one, two] = [await ready("one"), await ready("two")];
    const claim = await database.db.transaction().execute(async (retiring) => {
      await sql`select from ${sql.id(schema, "receivers")} where receiver_id = ${one.receiverId} for update`.execute(retiring);
      await sql`update ${sql.id(schema, "receivers")} set phase = 'retiring' where receiver_id = ${one.receiverId}`.execute(retiring);
      const claiming = store.claimConsumer("late", one.receiverId, 0n);
      await waits();
      return { claiming };
    });
    expect(await claim.claiming).toEqual({ kind: "retired" });
    const retirement = await database.db.transaction().execute(async (claiming) => {
      await sql`insert into ${sql.id(schema, "consumers")} (name, receiver_id, acked_offset, session_token) values ('early', ${two.receiverId}, 0, 1)`.execute(
        claiming,
      );
      const retiring = store.retire(two.receiverId, 0);
      await waits();
      return { retiring };
    });
    expect(await retirement.retiring).toBe(false);
    await close();
  });
});

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
