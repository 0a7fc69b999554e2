import { must, type Offset } from "@warren/protocol";
import { binaryArray, migrate, toStoreError, type Database, type PreparedStatement } from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import type { Park, ParkedRow, ParkResult, RetryingRow } from "../parking-store.ts";
import type {
  CallOptions,
  ClaimResult,
  ConsumerRow,
  Migration,
  MigrationResult,
  OffsetSave,
  ReceiverConfig,
  ReceiverRow,
  SaveResult,
  StateStore,
  StoredState,
} from "../state-store.ts";
import type { ReaderRow, RetentionPolicy, Sleeper } from "../lifetime-store.ts";
import { Lifetimes } from "./lifetimes.ts";
import { init, lifetimes, settleAndPark } from "./migrations.ts";
import { Parking } from "./parking.ts";
import {
  consumerColumns,
  fromRanges,
  receiverColumns,
  toConsumer,
  toReceiver,
  toSettled,
  type ConsumerRecord,
  type ReceiverRecord,
} from "./rows.ts";

/** Makes or updates the tables of the state. Safe to call from several processes at once. Throws STORE_UNAVAILABLE, CONFIG_INVALID. */
export function migrateStateStore(database: Database<unknown>): Promise<void> {
  return migrate(database, "state_store", {
    "0001_init": init(database.schema),
    "0002_settle_and_park": settleAndPark(database.schema),
    "0003_lifetimes": lifetimes(database.schema),
  });
}

/** The state on PostgreSQL. `migrateStateStore` comes first. Does not close the database. */
export function createPostgresStateStore(database: Database<unknown>): StateStore {
  return new PostgresStateStore(database);
}

interface SavedRecord {
  readonly name: string;
  readonly acked_offset: bigint;
  readonly acked_ranges: string;
}

/** Runs ten times a second: an offset only grows, and only for the session that has the name (W7). */
const saveStatement = (consumers: string): PreparedStatement => ({
  name: "save offsets",
  text: `
    update ${consumers} as c set
      acked_offset = greatest(c.acked_offset, s.acked_offset),
      acked_ranges = (c.acked_ranges + s.acked_ranges) - int8multirange(int8range(null, greatest(c.acked_offset, s.acked_offset), '[]'))
    from (
      select name, session_token, acked_offset, acked_ranges::int8multirange as acked_ranges
      from unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) as u(name, session_token, acked_offset, acked_ranges)
    ) s
    where c.name = s.name and c.session_token = s.session_token
    returning c.name, c.acked_offset, c.acked_ranges::text as acked_ranges`,
});

class PostgresStateStore implements StateStore {
  readonly #database: Database<unknown>;
  readonly #saveStatement: PreparedStatement;
  readonly #db: Kysely<unknown>;
  readonly #receivers;
  readonly #consumers;
  readonly #tokens: string;
  readonly #parkedEvents;
  readonly #parking: Parking;
  readonly #lifetimes: Lifetimes;

  constructor(database: Database<unknown>) {
    this.#database = database;
    this.#saveStatement = saveStatement(`"${database.schema}".consumers`);
    this.#db = database.db;
    this.#receivers = sql.id(database.schema, "receivers");
    this.#consumers = sql.id(database.schema, "consumers");
    this.#tokens = `"${database.schema}".session_tokens`;
    this.#parkedEvents = sql.id(database.schema, "parked_events");
    this.#parking = new Parking(database);
    this.#lifetimes = new Lifetimes(database);
  }

  async load(options?: CallOptions): Promise<StoredState> {
    // One snapshot: consumers of receivers that this very load has not seen would have no home.
    return this.#run(options, () =>
      this.#db
        .transaction()
        .setIsolationLevel("repeatable read")
        .execute(async (snapshot) => {
          const receivers = await sql<ReceiverRecord>`select ${receiverColumns} from ${this.#receivers} order by receiver_id`.execute(
            snapshot,
          );
          const consumers = await sql<ConsumerRecord>`select ${consumerColumns} from ${this.#consumers} order by name`.execute(snapshot);
          return { receivers: receivers.rows.map(toReceiver), consumers: consumers.rows.map(toConsumer) };
        }),
    );
  }

  async ensureReceiver(configKey: string, config: ReceiverConfig, options?: CallOptions): Promise<ReceiverRow> {
    const { exchange, patterns } = config;
    // The update changes nothing; it makes the row come back, whoever inserted it.
    const { rows } = await this.#run(options, () =>
      sql<ReceiverRecord>`
        insert into ${this.#receivers} as r (config_key, config, phase) values (${configKey}, ${JSON.stringify({ exchange, patterns })}::jsonb, 'creating')
        on conflict (config_key) do update set config_key = r.config_key
        returning ${receiverColumns}`.execute(this.#db),
    );
    return toReceiver(must(rows[0], "an upsert returns its row"));
  }

  async markReady(receiverId: bigint, completeSince: number, options?: CallOptions): Promise<ReceiverRow> {
    const { rows } = await this.#run(options, () =>
      sql<ReceiverRecord>`
        update ${this.#receivers} set
          phase = case phase when 'creating' then 'ready' else phase end,
          complete_since = coalesce(complete_since, to_timestamp(${completeSince}::float8 / 1000))
        where receiver_id = ${receiverId}::bigint returning ${receiverColumns}`.execute(this.#db),
    );
    return toReceiver(must(rows[0], `receiver ${receiverId} has no row`));
  }

  async claimConsumer(
    name: string,
    receiverId: bigint,
    startAfter: Offset,
    options?: CallOptions & { readonly expireAfterMs?: number | undefined },
  ): Promise<ClaimResult> {
    type Row = ConsumerRecord & { readonly created: boolean };
    // The lock waits for a retirement under way, and then sees its phase.
    const { rows } = await this.#run(options, () =>
      sql<Row>`
        insert into ${this.#consumers} as c (name, receiver_id, acked_offset, session_token, expire_after_ms)
        select ${name}, receiver_id, ${startAfter}::bigint, nextval(${this.#tokens}), ${options?.expireAfterMs ?? null}::bigint
        from ${this.#receivers} where receiver_id = ${receiverId}::bigint and phase <> 'retiring' for key share
        on conflict (name) do update set session_token = nextval(${this.#tokens}), asleep_since = null where c.receiver_id = ${receiverId}::bigint
        returning ${consumerColumns}, (xmax = 0) as created`.execute(this.#db),
    );
    const [row] = rows;
    if (row !== undefined) return { kind: "claimed", consumer: toConsumer(row), created: row.created };
    return this.#notClaimed(name, receiverId, startAfter, options);
  }

  async #notClaimed(name: string, receiverId: bigint, startAfter: Offset, options: CallOptions | undefined): Promise<ClaimResult> {
    const { rows: others } = await this.#run(options, () =>
      sql<ConsumerRecord & { readonly config: ReceiverConfig }>`
        select ${consumerColumns}, (select config from ${this.#receivers} r where r.receiver_id = c.receiver_id) as config
        from ${this.#consumers} c where name = ${name} and receiver_id <> ${receiverId}::bigint`.execute(this.#db),
    );
    const [other] = others;
    if (other !== undefined) return { kind: "other-receiver", consumer: toConsumer(other), config: other.config };
    const { rows: receivers } = await this.#run(options, () =>
      sql`select from ${this.#receivers} where receiver_id = ${receiverId}::bigint and phase <> 'retiring'`.execute(this.#db),
    );
    // Deleted on another receiver between the questions: the name is free now.
    return receivers.length === 0 ? { kind: "retired" } : this.claimConsumer(name, receiverId, startAfter, options);
  }

  async nextToken(options?: CallOptions): Promise<bigint> {
    const { rows } = await this.#run(options, () => sql<{ token: bigint }>`select nextval(${this.#tokens}) as token`.execute(this.#db));
    return must(rows[0], "nextval returns a row").token;
  }

  async saveOffsets(saves: readonly OffsetSave[], options?: CallOptions): Promise<readonly SaveResult[]> {
    if (saves.length === 0) return [];
    const values = [
      binaryArray(
        "text",
        saves.map(({ name }) => Buffer.from(name)),
      ),
      `{${saves.map(({ sessionToken }) => sessionToken).join(",")}}`,
      `{${saves.map(({ ackedOffset }) => ackedOffset).join(",")}}`,
      binaryArray(
        "text",
        saves.map((save) => Buffer.from(fromRanges(save.ranges))),
      ),
    ];
    const rows = await this.#run(options, () => this.#database.prepared<SavedRecord>(this.#saveStatement, values));
    const saved = new Map(rows.map((row) => [row.name, row]));
    return saves.map(({ name }) => {
      const row = saved.get(name);
      if (row === undefined) return { kind: "fenced", name };
      return { kind: "saved", name, ...toSettled(row) };
    });
  }

  async consumers(names: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, ConsumerRow>> {
    const { rows } = await this.#run(options, () =>
      sql<ConsumerRecord>`select ${consumerColumns} from ${this.#consumers} where name = any(${names}::text[])`.execute(this.#db),
    );
    return new Map(rows.map((row) => [row.name, toConsumer(row)]));
  }

  async consumer(name: string, options?: CallOptions): Promise<ConsumerRow | undefined> {
    const { rows } = await this.#run(options, () =>
      sql<ConsumerRecord>`select ${consumerColumns} from ${this.#consumers} where name = ${name}`.execute(this.#db),
    );
    return rows[0] === undefined ? undefined : toConsumer(rows[0]);
  }

  async moveConsumer(name: string, ackedOffset: Offset, options?: CallOptions): Promise<ConsumerRow | undefined> {
    const { rows } = await this.#run(options, () =>
      sql<ConsumerRecord>`
        update ${this.#consumers} as c set
          acked_offset = ${ackedOffset}::bigint,
          acked_ranges = coalesce((
            select range_agg(int8range(p.event_offset, p.event_offset, '[]')) from ${this.#parkedEvents} p
            where p.consumer = c.name and p.event_offset > ${ackedOffset}::bigint), '{}'),
          session_token = nextval(${this.#tokens}),
          moves = moves + 1,
          asleep_since = coalesce(asleep_since, clock_timestamp())
        where name = ${name} returning ${consumerColumns}`.execute(this.#db),
    );
    return rows[0] === undefined ? undefined : toConsumer(rows[0]);
  }

  async migrateConsumer(migration: Migration, options?: CallOptions): Promise<MigrationResult> {
    const { name, fromReceiverId, sessionToken, toReceiverId, ackedOffset, ranges } = migration;
    const held = sql`name = ${name} and receiver_id = ${fromReceiverId}::bigint and session_token = ${sessionToken}::bigint`;
    return this.#run(options, () =>
      this.#db.transaction().execute(async (tx): Promise<MigrationResult> => {
        // The row first: whoever parks an event locks it too, so that what is counted next is all there is.
        const locked = await sql`select from ${this.#consumers} where ${held} for update`.execute(tx);
        if (locked.rows.length === 0) return { kind: "changed" };
        // The lock waits for a retirement under way, and then sees its phase.
        const target = await sql`
          select from ${this.#receivers} where receiver_id = ${toReceiverId}::bigint and phase <> 'retiring' for key share`.execute(tx);
        if (target.rows.length === 0) return { kind: "retired" };
        const parked = await sql<{ count: bigint }>`select count(*) as count from ${this.#parkedEvents} where consumer = ${name}`.execute(
          tx,
        );
        const count = parked.rows[0]?.count ?? 0n;
        if (count > 0n) return { kind: "parked", count };
        const { rows } = await sql<ConsumerRecord>`
          update ${this.#consumers} set
            receiver_id = ${toReceiverId}::bigint,
            acked_offset = ${ackedOffset}::bigint,
            acked_ranges = ${fromRanges(ranges)}::int8multirange,
            session_token = nextval(${this.#tokens}),
            asleep_since = coalesce(asleep_since, clock_timestamp()),
            moves = moves + 1
          where ${held} returning ${consumerColumns}`.execute(tx);
        return { kind: "migrated", consumer: toConsumer(must(rows[0], "the row is locked")) };
      }),
    );
  }

  async setPaused(name: string, reason: string | undefined, options?: CallOptions): Promise<boolean> {
    const { numAffectedRows } = await this.#run(options, () =>
      sql`update ${this.#consumers} set paused = ${reason ?? null} where name = ${name}`.execute(this.#db),
    );
    return numAffectedRows === 1n;
  }

  async deleteConsumer(name: string, options?: CallOptions): Promise<ConsumerRow | undefined> {
    const { rows } = await this.#run(options, () =>
      sql<ConsumerRecord>`delete from ${this.#consumers} where name = ${name} returning ${consumerColumns}`.execute(this.#db),
    );
    return rows[0] === undefined ? undefined : toConsumer(rows[0]);
  }

  setRetention(receiverId: bigint, retention: RetentionPolicy, options?: CallOptions): Promise<ReceiverRow | undefined> {
    return this.#run(options, () => this.#lifetimes.setRetention(receiverId, retention));
  }

  setExpiry(name: string, expireAfterMs: number | undefined, options?: CallOptions): Promise<boolean> {
    return this.#run(options, () => this.#lifetimes.setExpiry(name, expireAfterMs));
  }

  markAsleep(receiverId: bigint, sleepers: readonly Sleeper[] | "all", options?: CallOptions): Promise<void> {
    return this.#run(options, () => this.#lifetimes.markAsleep(receiverId, sleepers));
  }

  readers(receiverId: bigint, options?: CallOptions): Promise<readonly ReaderRow[]> {
    return this.#run(options, () => this.#lifetimes.readers(receiverId));
  }

  expireConsumers(receiverId: bigint, options?: CallOptions): Promise<readonly ConsumerRow[]> {
    return this.#run(options, () => this.#lifetimes.expireConsumers(receiverId));
  }

  markUsed(receiverId: bigint, options?: CallOptions): Promise<void> {
    return this.#run(options, () => this.#lifetimes.markUsed(receiverId));
  }

  retire(receiverId: bigint, unusedMs: number, options?: CallOptions): Promise<boolean> {
    return this.#run(options, () => this.#lifetimes.retire(receiverId, unusedMs));
  }

  removeReceiver(receiverId: bigint, options?: CallOptions): Promise<void> {
    return this.#run(options, () => this.#lifetimes.removeReceiver(receiverId));
  }

  park(park: Park, options?: CallOptions): Promise<ParkResult> {
    return this.#run(options, () => this.#parking.park(park));
  }

  parkAgain(again: Parameters<StateStore["parkAgain"]>[0], options?: CallOptions): Promise<boolean> {
    return this.#run(options, () => this.#parking.parkAgain(again));
  }

  settleRetried(name: string, sessionToken: bigint, deliveryIds: readonly bigint[], options?: CallOptions): Promise<boolean> {
    return this.#run(options, () => this.#parking.settleRetried(name, sessionToken, deliveryIds));
  }

  retrying(name: string, afterDeliveryId: bigint, limit: number, options?: CallOptions): Promise<readonly RetryingRow[]> {
    return this.#run(options, () => this.#parking.retrying(name, afterDeliveryId, limit));
  }

  parked(name: string, afterOffset: Offset, limit: number, options?: CallOptions): Promise<readonly ParkedRow[]> {
    return this.#run(options, () => this.#parking.parked(name, afterOffset, limit));
  }

  parkedCounts(options?: CallOptions): Promise<ReadonlyMap<string, bigint>> {
    return this.#run(options, () => this.#parking.counts());
  }

  retryParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean, options?: CallOptions): Promise<bigint> {
    return this.#run(options, () => this.#parking.retry(name, offsets, dryRun));
  }

  discardParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean, options?: CallOptions): Promise<bigint> {
    return this.#run(options, () => this.#parking.discard(name, offsets, dryRun));
  }

  async #run<T>(options: CallOptions | undefined, query: () => Promise<T>): Promise<T> {
    options?.signal?.throwIfAborted();
    try {
      return await query();
    } catch (error) {
      throw toStoreError(error);
    }
  }
}
