import { must, type Offset } from "@warren/protocol";
import { migrate, toStoreError, type Database } from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import type {
  CallOptions,
  ClaimResult,
  ConsumerRow,
  OffsetSave,
  ReceiverConfig,
  ReceiverPhase,
  ReceiverRow,
  SaveResult,
  StateStore,
  StoredState,
} from "../state-store.ts";
import { init } from "./migrations.ts";

interface ReceiverRecord {
  readonly receiver_id: bigint;
  readonly config_key: string;
  readonly config: ReceiverConfig;
  readonly phase: ReceiverPhase;
  readonly complete_ms: bigint | null;
}

interface ConsumerRecord {
  readonly name: string;
  readonly receiver_id: bigint;
  readonly acked_offset: bigint;
  readonly session_token: bigint;
  readonly created_ms: bigint;
}

const receiverColumns = sql`receiver_id, config_key, config, phase, (extract(epoch from complete_since) * 1000)::bigint as complete_ms`;
const consumerColumns = sql`name, receiver_id, acked_offset, session_token, (extract(epoch from created_at) * 1000)::bigint as created_ms`;

function toReceiver(row: ReceiverRecord): ReceiverRow {
  const { exchange, patterns } = row.config;
  const completeSince = row.complete_ms === null ? undefined : Number(row.complete_ms);
  return { receiverId: row.receiver_id, configKey: row.config_key, config: { exchange, patterns }, phase: row.phase, completeSince };
}

function toConsumer(row: ConsumerRecord): ConsumerRow {
  return {
    name: row.name,
    receiverId: row.receiver_id,
    ackedOffset: row.acked_offset,
    sessionToken: row.session_token,
    createdAt: Number(row.created_ms),
  };
}

/** Makes or updates the tables of the state. Safe to call from several processes at once. Throws STORE_UNAVAILABLE, CONFIG_INVALID. */
export function migrateStateStore(database: Database<unknown>): Promise<void> {
  return migrate(database, "state_store", { "0001_init": init(database.schema) });
}

/** The state on PostgreSQL. `migrateStateStore` comes first. Does not close the database. */
export function createPostgresStateStore(database: Database<unknown>): StateStore {
  return new PostgresStateStore(database);
}

class PostgresStateStore implements StateStore {
  readonly #db: Kysely<unknown>;
  readonly #receivers;
  readonly #consumers;
  readonly #tokens: string;

  constructor(database: Database<unknown>) {
    this.#db = database.db;
    this.#receivers = sql.id(database.schema, "receivers");
    this.#consumers = sql.id(database.schema, "consumers");
    this.#tokens = `"${database.schema}".session_tokens`;
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

  async claimConsumer(name: string, receiverId: bigint, startAfter: Offset, options?: CallOptions): Promise<ClaimResult> {
    type Row = ConsumerRecord & { readonly created: boolean };
    const { rows } = await this.#run(options, () =>
      sql<Row>`
        insert into ${this.#consumers} as c (name, receiver_id, acked_offset, session_token)
        values (${name}, ${receiverId}::bigint, ${startAfter}::bigint, nextval(${this.#tokens}))
        on conflict (name) do update set session_token = nextval(${this.#tokens}) where c.receiver_id = ${receiverId}::bigint
        returning ${consumerColumns}, (xmax = 0) as created`.execute(this.#db),
    );
    const [row] = rows;
    if (row !== undefined) return { kind: "claimed", consumer: toConsumer(row), created: row.created };
    const { rows: others } = await this.#run(options, () =>
      sql<ConsumerRecord & { readonly config: ReceiverConfig }>`
        select ${consumerColumns}, (select config from ${this.#receivers} r where r.receiver_id = c.receiver_id) as config
        from ${this.#consumers} c where name = ${name}`.execute(this.#db),
    );
    const [other] = others;
    // Deleted between the two questions: the name is free now.
    if (other === undefined) return this.claimConsumer(name, receiverId, startAfter, options);
    return { kind: "other-receiver", consumer: toConsumer(other), config: other.config };
  }

  async nextToken(options?: CallOptions): Promise<bigint> {
    const { rows } = await this.#run(options, () => sql<{ token: bigint }>`select nextval(${this.#tokens}) as token`.execute(this.#db));
    return must(rows[0], "nextval returns a row").token;
  }

  async saveOffsets(saves: readonly OffsetSave[], options?: CallOptions): Promise<readonly SaveResult[]> {
    if (saves.length === 0) return [];
    const names = saves.map(({ name }) => name);
    const tokens = saves.map(({ sessionToken }) => sessionToken);
    const offsets = saves.map(({ ackedOffset }) => ackedOffset);
    const { rows } = await this.#run(options, () =>
      sql<{ name: string; acked_offset: bigint }>`
        update ${this.#consumers} as c set acked_offset = greatest(c.acked_offset, s.acked_offset)
        from unnest(${names}::text[], ${tokens}::bigint[], ${offsets}::bigint[]) as s(name, session_token, acked_offset)
        where c.name = s.name and c.session_token = s.session_token
        returning c.name, c.acked_offset`.execute(this.#db),
    );
    const saved = new Map(rows.map((row) => [row.name, row.acked_offset]));
    return names.map((name) => {
      const ackedOffset = saved.get(name);
      return ackedOffset === undefined ? { kind: "fenced", name } : { kind: "saved", name, ackedOffset };
    });
  }

  async consumer(name: string, options?: CallOptions): Promise<ConsumerRow | undefined> {
    const { rows } = await this.#run(options, () =>
      sql<ConsumerRecord>`select ${consumerColumns} from ${this.#consumers} where name = ${name}`.execute(this.#db),
    );
    return rows[0] === undefined ? undefined : toConsumer(rows[0]);
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
