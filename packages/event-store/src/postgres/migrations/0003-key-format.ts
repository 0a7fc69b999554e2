import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { tablesOf } from "../tables.ts";

/** How each log makes the keys of its events. Those that exist go on as they began; a log says its format when it is made. */
export function keyFormat(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      await sql`alter table ${tablesOf(schema).logs} add column key_format smallint not null default 1`.execute(db);
    },
  };
}
