import { sql, type Kysely } from "kysely";
import type { Migration } from "kysely/migration";
import { tablesOf } from "../tables.ts";

/** The bytes that a log keeps, beside its head: summing its segments would look at every one of them. */
export function keptBytes(schema: string): Migration {
  return {
    async up(db: Kysely<unknown>): Promise<void> {
      const { logs, segments } = tablesOf(schema);
      await sql`alter table ${logs} add column kept_bytes bigint not null default 0`.execute(db);
      await sql`
        update ${logs} l set kept_bytes = s.bytes
        from (select receiver_id, sum(octet_length(payload))::bigint as bytes from ${segments} group by receiver_id) s
        where s.receiver_id = l.receiver_id`.execute(db);
    },
  };
}
