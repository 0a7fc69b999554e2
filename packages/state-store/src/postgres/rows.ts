import { raiseMark, type OffsetRange, type OffsetRanges } from "@warren/protocol";
import { sql } from "kysely";
import type { ConsumerRow, ReceiverConfig, ReceiverPhase, ReceiverRow } from "../state-store.ts";

/** A row as PostgreSQL gives it. */
export interface ReceiverRecord {
  readonly receiver_id: bigint;
  readonly config_key: string;
  readonly config: ReceiverConfig;
  readonly phase: ReceiverPhase;
  readonly complete_ms: bigint | null;
  readonly max_age_ms: bigint | null;
  readonly max_bytes: bigint | null;
  readonly until_acked: boolean;
  readonly hold: boolean;
}

/** A row as PostgreSQL gives it. */
export interface ConsumerRecord {
  readonly name: string;
  readonly receiver_id: bigint;
  readonly acked_offset: bigint;
  readonly acked_ranges: string;
  readonly session_token: bigint;
  readonly moves: bigint;
  readonly paused: string | null;
  readonly expire_after_ms: bigint | null;
  readonly created_ms: bigint;
}

/** Columns of a ReceiverRecord. */
export const receiverColumns = sql`receiver_id, config_key, config, phase, (extract(epoch from complete_since) * 1000)::bigint as complete_ms,
  max_age_ms, max_bytes, until_acked, hold`;
/** Columns of a ConsumerRecord. */
export const consumerColumns = sql`name, receiver_id, acked_offset, acked_ranges::text as acked_ranges, session_token, moves, paused, expire_after_ms,
  (extract(epoch from created_at) * 1000)::bigint as created_ms`;

/** A receiver as the port has it. */
export function toReceiver(row: ReceiverRecord): ReceiverRow {
  const { exchange, patterns } = row.config;
  return {
    receiverId: row.receiver_id,
    configKey: row.config_key,
    config: { exchange, patterns },
    phase: row.phase,
    completeSince: toNumber(row.complete_ms),
    retention: {
      maxAgeMs: toNumber(row.max_age_ms),
      maxBytes: toNumber(row.max_bytes),
      untilAcked: row.until_acked,
      hold: row.hold,
    },
  };
}

/** A consumer as the port has it. */
export function toConsumer(row: ConsumerRecord): ConsumerRow {
  return {
    name: row.name,
    receiverId: row.receiver_id,
    ...toSettled(row),
    sessionToken: row.session_token,
    moves: row.moves,
    paused: row.paused ?? undefined,
    expireAfterMs: toNumber(row.expire_after_ms),
    createdAt: Number(row.created_ms),
  };
}

function toNumber(value: bigint | null): number | undefined {
  return value === null ? undefined : Number(value);
}

/** The mark raised over the ranges that touch it: a park adds a range, and leaves the mark to the next save. */
export function toSettled(row: Pick<ConsumerRecord, "acked_offset" | "acked_ranges">): Pick<ConsumerRow, "ackedOffset" | "ranges"> {
  const { mark, ranges } = raiseMark({ mark: row.acked_offset, ranges: toRanges(row.acked_ranges) }, row.acked_offset);
  return { ackedOffset: mark, ranges };
}

/** Reads a multirange, as `{[5,8),[10,11)}`: PostgreSQL's canonical form, upper ends excluded. */
function toRanges(text: string): OffsetRanges {
  return [...text.matchAll(/\[(\d+),(\d+)\)/g)].map(([, first = "0", end = "0"]): OffsetRange => ({
    first: BigInt(first),
    last: BigInt(end) - 1n,
  }));
}

/** Writes a multirange. */
export function fromRanges(ranges: OffsetRanges): string {
  return `{${ranges.map(({ first, last }) => `[${first},${last}]`).join(",")}}`;
}
