import { must, type Offset } from "@warren/protocol";
import type { Database } from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import type { Park, ParkedRow, ParkingStore, ParkResult, RetryingRow } from "../parking-store.ts";
import { toSettled } from "./rows.ts";

interface ParkedRecord {
  readonly event_offset: bigint;
  readonly reason: string;
  readonly attempts: number;
  readonly parked_ms: bigint;
  readonly recorded_ms: bigint;
  readonly payload: Buffer;
  readonly delivery_id: bigint | null;
}

const columns = sql`event_offset, reason, attempts, (extract(epoch from parked_at) * 1000)::bigint as parked_ms,
  (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms, payload, delivery_id`;

function toRow(row: ParkedRecord): ParkedRow {
  return {
    offset: row.event_offset,
    reason: row.reason,
    attempts: row.attempts,
    parkedAt: Number(row.parked_ms),
    recordedAt: Number(row.recorded_ms),
    bytes: row.payload,
    deliveryId: row.delivery_id ?? undefined,
  };
}

/** The statements of ParkingStore. Errors are those of pg. */
export class Parking {
  readonly #db: Kysely<unknown>;
  readonly #parked;
  readonly #consumers;
  readonly #deliveryIds: string;

  constructor(database: Database<unknown>) {
    this.#db = database.db;
    this.#parked = sql.id(database.schema, "parked_events");
    this.#consumers = sql.id(database.schema, "consumers");
    this.#deliveryIds = `"${database.schema}".delivery_ids`;
  }

  /** W7: row and range in one statement: neither an event that is settled and not parked, nor one that is parked and comes again. */
  async park({ name, sessionToken, offset, reason, attempts, recordedAt, bytes }: Park): Promise<ParkResult> {
    const { rows } = await sql<{ acked_offset: bigint; acked_ranges: string }>`
      with holder as (
        update ${this.#consumers} set acked_ranges =
          (acked_ranges + int8multirange(int8range(${offset}::bigint, ${offset}::bigint, '[]'))) - int8multirange(int8range(null, acked_offset, '[]'))
        where name = ${name} and session_token = ${sessionToken}::bigint
        returning name, acked_offset, acked_ranges
      ), row as (
        insert into ${this.#parked} as p (consumer, event_offset, reason, attempts, recorded_at, payload)
        select name, ${offset}::bigint, ${reason}, ${attempts}::integer, to_timestamp(${recordedAt}::float8 / 1000), ${Buffer.from(bytes)}::bytea from holder
        on conflict (consumer, event_offset) do update set
          reason = excluded.reason, attempts = greatest(p.attempts, excluded.attempts), parked_at = excluded.parked_at
      )
      select acked_offset, acked_ranges::text as acked_ranges from holder`.execute(this.#db);
    const [row] = rows;
    if (row === undefined) return { kind: "fenced" };
    return { kind: "parked", ...toSettled(row) };
  }

  async parkAgain(again: Parameters<ParkingStore["parkAgain"]>[0]): Promise<boolean> {
    const { name, sessionToken, deliveryId, reason, attempts } = again;
    const { rows } = await sql<{ held: boolean }>`
      with again as (
        update ${this.#parked} set delivery_id = null, reason = ${reason}, attempts = attempts + ${attempts}::integer, parked_at = clock_timestamp()
        where consumer = ${name} and delivery_id = ${deliveryId}::bigint and ${this.#held(name, sessionToken)}
      )
      select ${this.#held(name, sessionToken)} as held`.execute(this.#db);
    return must(rows[0], "a select without a table gives one row").held;
  }

  async settleRetried(name: string, sessionToken: bigint, deliveryIds: readonly bigint[]): Promise<boolean> {
    const { rows } = await sql<{ held: boolean }>`
      with gone as (
        delete from ${this.#parked}
        where consumer = ${name} and delivery_id = any(${deliveryIds}::bigint[]) and ${this.#held(name, sessionToken)}
      )
      select ${this.#held(name, sessionToken)} as held`.execute(this.#db);
    return must(rows[0], "a select without a table gives one row").held;
  }

  async retrying(name: string, afterDeliveryId: bigint, limit: number): Promise<readonly RetryingRow[]> {
    const { rows } = await sql<ParkedRecord & { delivery_id: bigint }>`
      select ${columns} from ${this.#parked}
      where consumer = ${name} and delivery_id > ${afterDeliveryId}::bigint order by delivery_id limit ${limit}`.execute(this.#db);
    return rows.map((row) => ({ ...toRow(row), deliveryId: row.delivery_id }));
  }

  async parked(name: string, afterOffset: Offset, limit: number): Promise<readonly ParkedRow[]> {
    const { rows } = await sql<ParkedRecord>`
      select ${columns} from ${this.#parked}
      where consumer = ${name} and event_offset > ${afterOffset}::bigint order by event_offset limit ${limit}`.execute(this.#db);
    return rows.map(toRow);
  }

  async counts(): Promise<ReadonlyMap<string, bigint>> {
    const { rows } = await sql<{ consumer: string; count: bigint }>`
      select consumer, count(*) as count from ${this.#parked} group by consumer`.execute(this.#db);
    return new Map(rows.map(({ consumer, count }) => [consumer, count]));
  }

  async retry(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint> {
    if (dryRun) return this.#count(name, offsets);
    // Ids are given in the order of the offsets: that is the order in which they are delivered.
    const { numAffectedRows } = await sql`
      update ${this.#parked} p set delivery_id = coalesce(p.delivery_id, o.next_id)
      from (
        select event_offset, nextval(${this.#deliveryIds}) as next_id
        from (select event_offset from ${this.#parked} where consumer = ${name} and ${this.#chosen(offsets)} order by event_offset for update) s
      ) o
      where p.consumer = ${name} and p.event_offset = o.event_offset`.execute(this.#db);
    return numAffectedRows ?? 0n;
  }

  async discard(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint> {
    if (dryRun) return this.#count(name, offsets);
    const { numAffectedRows } = await sql`delete from ${this.#parked} where consumer = ${name} and ${this.#chosen(offsets)}`.execute(
      this.#db,
    );
    return numAffectedRows ?? 0n;
  }

  async #count(name: string, offsets: readonly Offset[] | undefined): Promise<bigint> {
    const { rows } = await sql<{ count: bigint }>`
      select count(*) as count from ${this.#parked} where consumer = ${name} and ${this.#chosen(offsets)}`.execute(this.#db);
    return must(rows[0], "count gives one row").count;
  }

  #chosen(offsets: readonly Offset[] | undefined) {
    return offsets === undefined ? sql`true` : sql`event_offset = any(${offsets}::bigint[])`;
  }

  #held(name: string, sessionToken: bigint) {
    return sql`exists (select from ${this.#consumers} c where c.name = ${name} and c.session_token = ${sessionToken}::bigint)`;
  }
}
