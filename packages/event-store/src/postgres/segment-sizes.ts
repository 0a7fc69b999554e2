import type { Offset } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { LogSizes } from "../event-log.ts";
import type { Tables } from "./tables.ts";

interface SizeRow {
  readonly kept_bytes: bigint;
  readonly first_offset: bigint | null;
  readonly last_offset: bigint | null;
  readonly bytes: number | null;
  readonly recorded_ms: bigint | null;
}

/** Sizes of the oldest segments after an offset, without their payloads. Undefined when there is no such log. */
export async function segmentSizes(
  db: Kysely<unknown>,
  tables: Tables,
  page: { readonly receiverId: bigint; readonly afterOffset: Offset; readonly limit: number },
): Promise<LogSizes | undefined> {
  const { receiverId, afterOffset, limit } = page;
  const { rows } = await sql<SizeRow>`
    select kept_bytes, first_offset, last_offset, bytes, recorded_ms
    from ${tables.logs} left join (
      select first_offset, last_offset, octet_length(payload) as bytes, (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms
      from ${tables.segments}
      where receiver_id = ${receiverId}::bigint and last_offset > ${afterOffset}::bigint
      order by last_offset limit ${limit}::int
    ) as oldest on true
    where receiver_id = ${receiverId}::bigint
    order by last_offset`.execute(db);
  const [first] = rows;
  if (first === undefined) return undefined;
  const segments = rows.flatMap(({ first_offset: firstOffset, last_offset: lastOffset, bytes, recorded_ms: recordedMs }) =>
    firstOffset === null || lastOffset === null
      ? []
      : [{ firstOffset, lastOffset, bytes: bytes ?? 0, recordedAt: Number(recordedMs ?? 0n) }],
  );
  return { keptBytes: Number(first.kept_bytes), segments };
}
