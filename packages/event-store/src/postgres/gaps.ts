import type { Offset } from "@warren/protocol";
import { sql, type Kysely } from "kysely";
import type { LogGap, MissedGap, MissedRequest } from "../event-log.ts";
import type { Tables } from "./tables.ts";

interface GapRow {
  readonly kind: "pruned" | "missed";
  readonly first_offset: bigint | null;
  readonly last_offset: bigint | null;
  readonly after_offset: bigint;
  readonly from_ms: bigint | null;
  readonly to_ms: bigint | null;
  readonly reason: string;
}

function toGap(row: GapRow): LogGap {
  return row.kind === "pruned"
    ? { kind: "pruned", firstOffset: row.first_offset ?? 1n, lastOffset: row.last_offset ?? 0n, reason: row.reason }
    : {
        kind: "missed",
        afterOffset: row.after_offset,
        fromTime: Number(row.from_ms ?? 0n),
        toTime: Number(row.to_ms ?? 0n),
        reason: row.reason,
      };
}

/** Gaps that a reader after `afterOffset` passes. */
export async function readGaps(db: Kysely<unknown>, tables: Tables, receiverId: bigint, afterOffset: Offset): Promise<readonly LogGap[]> {
  const { rows } = await sql<GapRow>`
    select kind, first_offset, last_offset, after_offset, reason,
      (extract(epoch from from_time) * 1000)::bigint as from_ms, (extract(epoch from to_time) * 1000)::bigint as to_ms
    from ${tables.gaps}
    where receiver_id = ${receiverId}::bigint
      and case kind when 'pruned' then last_offset > ${afterOffset}::bigint else after_offset >= ${afterOffset}::bigint end
    order by after_offset, gap_id`.execute(db);
  return rows.map(toGap);
}

/** Records that events may be missing after the head, as it is in this statement. Undefined when there is no such log, or its epoch is another one. */
export async function insertMissed(db: Kysely<unknown>, tables: Tables, missed: MissedRequest): Promise<MissedGap | undefined> {
  const { receiverId, epoch, fromTime, toTime, reason } = missed;
  const { rows } = await sql<{ after_offset: bigint }>`
    insert into ${tables.gaps} (receiver_id, kind, after_offset, from_time, to_time, reason)
    select receiver_id, 'missed', head_offset, to_timestamp(${fromTime}::float8 / 1000), to_timestamp(${toTime}::float8 / 1000), ${reason}
    from ${tables.logs} where receiver_id = ${receiverId}::bigint and epoch = ${epoch}::bigint
    returning after_offset`.execute(db);
  const [row] = rows;
  return row === undefined ? undefined : { kind: "missed", afterOffset: row.after_offset, fromTime, toTime, reason };
}
