import { sql, type Kysely } from "kysely";

/** Settings of a table: see `leaveInsertedRows`. */
const settings = ["autovacuum_vacuum_insert_threshold = -1", "autovacuum_freeze_min_age = 0"] as const;
/** The same of its TOAST table, which PostgreSQL ignores where there is none. */
const both = [...settings, ...settings.map((setting) => `toast.${setting}`)].join(", ");

/**
 * Keeps autovacuum from going through rows for no other reason than that they were inserted (ADR-0019). It still comes for rows that were deleted, and before transaction ids run
 * out, and then freezes all it sees, so that it comes to them once. Of a partitioned table: its partitions. Settings: https://www.postgresql.org/docs/current/runtime-config-autovacuum.html
 */
export async function leaveInsertedRows(db: Kysely<unknown>, schema: string, table: string): Promise<void> {
  const whole = sql.id(schema, table).compile(db).sql;
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relkind = 'r' and (c.oid = ${whole}::regclass or c.oid in (select relid from pg_partition_tree(${whole}::regclass)))`.execute(
    db,
  );
  for (const { name } of rows) await sql`alter table ${sql.id(schema, name)} set (${sql.raw(both)})`.execute(db);
}
