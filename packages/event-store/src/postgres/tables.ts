import { sql, type Kysely, type RawBuilder } from "kysely";

/** Names of the log's tables, with their schema. */
export interface Tables<Name = RawBuilder<unknown>> {
  readonly logs: Name;
  readonly segments: Name;
  readonly keys: Name;
  readonly gaps: Name;
  readonly quarantine: Name;
}

/** The same, quoted, for statements that are written once. */
export type TableNames = Tables<string>;

/** The tables of one schema. */
export function tablesOf(schema: string): Tables {
  return {
    logs: sql.id(schema, "logs"),
    segments: sql.id(schema, "log_segments"),
    keys: sql.id(schema, "log_event_keys"),
    gaps: sql.id(schema, "log_gaps"),
    quarantine: sql.id(schema, "quarantine"),
  };
}

/** Their names as SQL has them. */
export function namesOf(db: Kysely<unknown>, tables: Tables): TableNames {
  const name = (table: RawBuilder<unknown>): string => table.compile(db).sql;
  return {
    logs: name(tables.logs),
    segments: name(tables.segments),
    keys: name(tables.keys),
    gaps: name(tables.gaps),
    quarantine: name(tables.quarantine),
  };
}
