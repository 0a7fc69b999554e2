import type { Database } from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import type { ReaderRow, RetentionPolicy, Sleeper } from "../lifetime-store.ts";
import type { ConsumerRow, ReceiverRow } from "../state-store.ts";
import { consumerColumns, receiverColumns, toConsumer, toReceiver, type ConsumerRecord, type ReceiverRecord } from "./rows.ts";

/** The statements of LifetimeStore. Errors are those of pg. */
export class Lifetimes {
  readonly #db: Kysely<unknown>;
  readonly #receivers;
  readonly #consumers;

  constructor(database: Database<unknown>) {
    this.#db = database.db;
    this.#receivers = sql.id(database.schema, "receivers");
    this.#consumers = sql.id(database.schema, "consumers");
  }

  async setRetention(receiverId: bigint, { maxAgeMs, maxBytes, untilAcked, hold }: RetentionPolicy): Promise<ReceiverRow | undefined> {
    const { rows } = await sql<ReceiverRecord>`
      update ${this.#receivers} set
        max_age_ms = ${maxAgeMs ?? null}::bigint, max_bytes = ${maxBytes ?? null}::bigint, until_acked = ${untilAcked}::boolean, hold = ${hold}::boolean
      where receiver_id = ${receiverId}::bigint returning ${receiverColumns}`.execute(this.#db);
    return rows[0] === undefined ? undefined : toReceiver(rows[0]);
  }

  async setExpiry(name: string, expireAfterMs: number | undefined): Promise<boolean> {
    const { numAffectedRows } =
      await sql`update ${this.#consumers} set expire_after_ms = ${expireAfterMs ?? null}::bigint where name = ${name}`.execute(this.#db);
    return numAffectedRows === 1n;
  }

  async markAsleep(receiverId: bigint, sleepers: readonly Sleeper[] | "all"): Promise<void> {
    if (sleepers.length === 0) return;
    const which =
      sleepers === "all"
        ? sql`true`
        : sql`(name, session_token) in (
            select * from unnest(${sleepers.map(({ name }) => name)}::text[], ${sleepers.map(({ sessionToken }) => sessionToken)}::bigint[]))`;
    await sql`
      update ${this.#consumers} set asleep_since = clock_timestamp()
      where receiver_id = ${receiverId}::bigint and asleep_since is null and ${which}`.execute(this.#db);
  }

  async readers(receiverId: bigint): Promise<readonly ReaderRow[]> {
    const { rows } = await sql<{ name: string; acked_offset: bigint; asleep: boolean }>`
      select name, acked_offset, asleep_since is not null as asleep from ${this.#consumers}
      where receiver_id = ${receiverId}::bigint order by name`.execute(this.#db);
    return rows.map(({ name, acked_offset: ackedOffset, asleep }) => ({ name, ackedOffset, asleep }));
  }

  async expireConsumers(receiverId: bigint): Promise<readonly ConsumerRow[]> {
    const { rows } = await sql<ConsumerRecord>`
      delete from ${this.#consumers}
      where receiver_id = ${receiverId}::bigint and asleep_since + expire_after_ms * interval '1 millisecond' <= clock_timestamp()
      returning ${consumerColumns}`.execute(this.#db);
    return rows.map(toConsumer);
  }

  async markUsed(receiverId: bigint): Promise<void> {
    await sql`update ${this.#receivers} set used_at = clock_timestamp() where receiver_id = ${receiverId}::bigint`.execute(this.#db);
  }

  /**
   * Two statements: the first waits for whoever makes a consumer at this moment (its foreign key locks the receiver's row), so that the second sees it. Who comes
   * after finds the phase changed. In one statement both would look at the state before the wait.
   */
  retire(receiverId: bigint, unusedMs: number): Promise<boolean> {
    return this.#db.transaction().execute(async (transaction) => {
      await sql`select 1 from ${this.#receivers} where receiver_id = ${receiverId}::bigint for update`.execute(transaction);
      const { numAffectedRows } = await sql`
        update ${this.#receivers} r set phase = 'retiring'
        where receiver_id = ${receiverId}::bigint and (phase = 'retiring' or phase = 'ready'
          and used_at + ${unusedMs}::bigint * interval '1 millisecond' <= clock_timestamp()
          and not exists (select from ${this.#consumers} c where c.receiver_id = r.receiver_id))`.execute(transaction);
      return numAffectedRows === 1n;
    });
  }

  async removeReceiver(receiverId: bigint): Promise<void> {
    await sql`delete from ${this.#receivers} where receiver_id = ${receiverId}::bigint and phase = 'retiring'`.execute(this.#db);
  }
}
