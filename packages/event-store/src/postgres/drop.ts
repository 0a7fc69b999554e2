import { sql, type Kysely } from "kysely";
import type { Tables } from "./tables.ts";

/** Rows of one step, by table: a segment may have a megabyte. */
const step = { keys: 10_000, segments: 500, quarantine: 500 };

/**
 * One step of removing a log. The first statement takes the log from its writer; the row of the log, which says that it is there, goes last, so that a step
 * that was cut short is simply done again. Returns whether it is gone.
 */
export async function dropLog(db: Kysely<unknown>, tables: Tables, receiverId: bigint): Promise<boolean> {
  const { numAffectedRows: held } =
    await sql`update ${tables.logs} set epoch = epoch + 1 where receiver_id = ${receiverId}::bigint`.execute(db);
  if (held === 0n) return true;
  for (const [table, key, limit] of [
    [tables.keys, "event_key", step.keys],
    [tables.segments, "last_offset", step.segments],
    [tables.quarantine, "quarantine_id", step.quarantine],
  ] as const) {
    const { numAffectedRows } = await sql`
      delete from ${table} where receiver_id = ${receiverId}::bigint and ${sql.id(key)} in (
        select ${sql.id(key)} from ${table} where receiver_id = ${receiverId}::bigint order by ${sql.id(key)} limit ${limit}::int)`.execute(
      db,
    );
    if ((numAffectedRows ?? 0n) > 0n) return false;
  }
  await sql`delete from ${tables.gaps} where receiver_id = ${receiverId}::bigint`.execute(db);
  await sql`delete from ${tables.logs} where receiver_id = ${receiverId}::bigint`.execute(db);
  return true;
}
