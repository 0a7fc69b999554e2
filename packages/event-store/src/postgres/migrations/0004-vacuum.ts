import type { Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { leaveInsertedRows } from "../../vacuum.ts";

/** The two large tables are written once: vacuum has nothing to do there until something is pruned. */
export function vacuum(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      for (const table of ["log_segments", "log_event_keys"]) await leaveInsertedRows(db, schema, table);
    },
  };
}
