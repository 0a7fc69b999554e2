import { binaryArray, type BinaryType, type ParameterValue, type PreparedStatement } from "@warren/postgres";
import type { EventSlice } from "@warren/protocol";
import { keysParameter, type KeyFormat } from "../event-keys.ts";
import { columnsOf, type EventColumns } from "./event-columns.ts";

/** Columns that are stored as they came, in the order of the statement's parameters after the number and the keys. */
const columns = [
  ["id", "text"],
  ["source", "text"],
  ["type", "text"],
  ["subject", "text"],
  ["event_time", "timestamptz"],
  ["partition_key", "text"],
  ["content_type", "text"],
  ["data_schema", "text"],
  ["extensions", "json"],
  ["body_kind", "int2"],
  ["data", "bytea"],
] as const satisfies readonly (readonly [string, BinaryType])[];

/** Stores events and their keys at the next positions, in one statement: all of them, or none when a key exists (unique_violation). */
export function insertStatement(table: (name: string) => string): PreparedStatement {
  return {
    name: "archive",
    text: `
      with head as (
        update ${table("archive_head")} set
          head_position = head_position + $1::int,
          last_recorded_at = greatest(last_recorded_at, date_trunc('milliseconds', clock_timestamp()))
        returning head_position - $1::int as before, last_recorded_at
      ), keys as (
        insert into ${table("archived_event_keys")} (event_key, position)
        select unnest($2::uuid[]), before + generate_series(1, $1::int) from head
      )
      insert into ${table("archived_events")} (position, recorded_at, event_key, ${columns.map(([name]) => name).join(", ")})
      select before + generate_series(1, $1::int), last_recorded_at, unnest($2::uuid[]), ${columns.map(([, type], index) => `unnest($${index + 3}::${type}[])`).join(", ")}
      from head`,
  };
}

/** The parameters of `insertStatement`. */
export function insertValues(events: readonly EventSlice[], keyFormat: KeyFormat): readonly ParameterValue[] {
  const rows = events.map(({ bytes }) => columnsOf(bytes));
  const column: Readonly<Record<(typeof columns)[number][0], (row: EventColumns) => Uint8Array | null>> = {
    id: ({ id }) => id,
    source: ({ source }) => source,
    type: ({ type }) => type,
    subject: ({ subject }) => subject,
    event_time: ({ time }) => (time === undefined ? null : int8(time)),
    partition_key: ({ partitionKey }) => partitionKey,
    content_type: ({ contentType }) => contentType,
    data_schema: ({ dataSchema }) => dataSchema,
    extensions: ({ extensions }) => extensions,
    body_kind: ({ bodyKind }) => Uint8Array.of(0, bodyKind),
    data: ({ body }) => body,
  };
  return [events.length, keysParameter(keyFormat, events), ...columns.map(([name, type]) => binaryArray(type, rows.map(column[name])))];
}

function int8(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}
