import { sql, type RawBuilder } from "kysely";

/** Names of the log's tables, with their schema. */
export interface Tables {
  readonly logs: RawBuilder<unknown>;
  readonly segments: RawBuilder<unknown>;
  readonly keys: RawBuilder<unknown>;
  readonly gaps: RawBuilder<unknown>;
  readonly quarantine: RawBuilder<unknown>;
}

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
