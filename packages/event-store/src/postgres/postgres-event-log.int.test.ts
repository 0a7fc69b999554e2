import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import { testNamespace } from "@warren/testkit";
import { sql } from "kysely";
import { inject } from "vitest";
import { describeEventLog } from "../contract/index.ts";
import { createPostgresEventLog, migrateEventLog } from "./postgres-event-log.ts";

describeEventLog("PostgreSQL", async () => {
  const schema = schemaName(testNamespace(), "broker");
  const database = openDatabase<unknown>({ url: inject("databaseUrl"), schema, applicationName: "event log test", logger: silentLogger });
  // Two processes that start together.
  await Promise.all([migrateEventLog(database), migrateEventLog(database)]);
  return {
    log: createPostgresEventLog(database),
    async close() {
      await sql`drop schema ${sql.id(schema)} cascade`.execute(database.db);
      await database.close();
    },
  };
});
