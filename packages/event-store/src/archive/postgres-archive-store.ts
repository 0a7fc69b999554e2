import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { must, sameContent, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
import { EventSchema, PackSchema, type Event } from "@warren/protocol/v1";
import { classifyDatabaseError, describeRefusal, migrate, toStoreError, type Database, type PreparedStatement } from "@warren/postgres";
import { CompiledQuery, sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { CallOptions } from "../event-log.ts";
import { eventKey } from "../event-key.ts";
import { checkKeyFormat, keyParameter, keysParameter, type EventIdentity, type KeyFormat } from "../event-keys.ts";
import type { ArchiveAppendResult, ArchivedEvent, ArchiveFilter, ArchiveStore, Position } from "./archive-store.ts";
import { bodyKinds } from "./event-columns.ts";
import { insertStatement, insertValues } from "./insert.ts";
import { init, keyFormat, vacuum } from "./migrations.ts";
import { topicRegex } from "./topic-regex.ts";

interface Row {
  readonly position: bigint;
  readonly recorded_at: Date;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly event_time: Date | null;
  readonly partition_key: string;
  readonly content_type: string;
  readonly data_schema: string;
  readonly extensions: Readonly<Record<string, string>>;
  readonly body_kind: number;
  readonly data: Buffer;
}

/** Makes or updates the archive's tables. Safe to call from several processes at once. Throws STORE_UNAVAILABLE, CONFIG_INVALID. */
export function migrateArchive(database: Database<unknown>): Promise<void> {
  const { schema } = database;
  return migrate(database, "archive", { "0001_init": init(schema), "0002_key_format": keyFormat(schema), "0003_vacuum": vacuum(schema) });
}

/** The archive on PostgreSQL. `migrateArchive` comes first. Does not close the database. */
export function createPostgresArchiveStore(database: Database<unknown>): ArchiveStore {
  return new PostgresArchiveStore(database);
}

class PostgresArchiveStore implements ArchiveStore {
  readonly #database: Database<unknown>;
  readonly #db: Kysely<unknown>;
  readonly #table: (name: string) => RawBuilder<unknown>;
  readonly #insert: PreparedStatement;
  #knownFormat: KeyFormat | undefined;

  constructor(database: Database<unknown>) {
    this.#database = database;
    this.#db = database.db;
    this.#table = (name) => sql.id(database.schema, name);
    this.#insert = insertStatement((name) => this.#table(name).compile(this.#db).sql);
  }

  async append(
    events: readonly EventSlice[],
    quarantined: readonly QuarantinedEvent[],
    options?: CallOptions,
  ): Promise<ArchiveAppendResult> {
    options?.signal?.throwIfAborted();
    try {
      const keyFormat = await this.#keyFormat();
      // Nearly always every event is new: one statement says so or nothing. What is not is sorted under a lock.
      if (events.length > 0 && quarantined.length === 0 && (await this.#appendNew(events, keyFormat)))
        return { kind: "stored", stored: events.length, repeats: 0, conflicts: 0 };
      return await this.#db.transaction().execute(async (transaction): Promise<ArchiveAppendResult> => {
        // The one row is the lock: writers go one after the other, so positions are dense and in order of commit.
        await sql`select 1 from ${this.#table("archive_head")} for update`.execute(transaction);
        const { fresh, repeats, conflicts } = await this.#sort(transaction, events, keyFormat);
        if (fresh.length > 0) await transaction.executeQuery(CompiledQuery.raw(this.#insert.text, [...insertValues(fresh, keyFormat)]));
        await this.#quarantine(transaction, [...quarantined, ...conflicts]);
        return { kind: "stored", stored: fresh.length, repeats, conflicts: conflicts.length };
      });
    } catch (error) {
      if (classifyDatabaseError(error) === "data") return { kind: "refused", detail: describeRefusal(error) };
      throw toStoreError(error);
    }
  }

  /** False: some key is there already, nothing was written. */
  async #appendNew(events: readonly EventSlice[], keyFormat: KeyFormat): Promise<boolean> {
    try {
      await this.#database.prepared(this.#insert, insertValues(events, keyFormat));
      return true;
    } catch (error) {
      if (classifyDatabaseError(error) === "unique") return false;
      throw error;
    }
  }

  /** Asked once: it never changes. */
  async #keyFormat(): Promise<KeyFormat> {
    if (this.#knownFormat !== undefined) return this.#knownFormat;
    const { rows } = await sql<{ key_format: number }>`select key_format from ${this.#table("archive_head")}`.execute(this.#db);
    this.#knownFormat = checkKeyFormat(must(rows[0], "the archive has a head").key_format, "the archive");
    return this.#knownFormat;
  }

  async read(filter: ArchiveFilter, afterPosition: Position, limit: number, options?: CallOptions): Promise<readonly ArchivedEvent[]> {
    const { rows } = await this.#run(options, () =>
      sql<Row>`select * from ${this.#table("archived_events")} where position > ${afterPosition}::bigint and ${where(filter)} order by position limit ${limit}::int`.execute(
        this.#db,
      ),
    );
    return rows.map(toArchived);
  }

  async get(source: string, id: string, options?: CallOptions): Promise<ArchivedEvent | undefined> {
    const keyFormat = await this.#run(options, () => this.#keyFormat());
    const { rows } = await this.#run(options, () =>
      sql<Row>`select e.* from ${this.#table("archived_event_keys")} k join ${this.#table("archived_events")} e using (position)
        where k.event_key = ${keyParameter(keyFormat, { source, id })}::uuid`.execute(this.#db),
    );
    return rows[0] === undefined ? undefined : toArchived(rows[0]);
  }

  async count(filter: ArchiveFilter, options?: CallOptions): Promise<bigint> {
    const { rows } = await this.#run(options, () =>
      sql<{ count: bigint }>`select count(*) from ${this.#table("archived_events")} where ${where(filter)}`.execute(this.#db),
    );
    return must(rows[0], "count returns a row").count;
  }

  async head(options?: CallOptions): Promise<Position> {
    const { rows } = await this.#run(options, () =>
      sql<{ head_position: bigint }>`select head_position from ${this.#table("archive_head")}`.execute(this.#db),
    );
    return must(rows[0], "the archive has a head").head_position;
  }

  /** What is new; what is stored already; what has the id, or by chance the key, of another event (W3). */
  async #sort(db: Transaction<unknown>, events: readonly EventSlice[], keyFormat: KeyFormat) {
    const { rows } = await sql<Row & { event_key: string }>`
      select k.event_key, e.* from ${this.#table("archived_event_keys")} k join ${this.#table("archived_events")} e using (position)
      where k.event_key = any(${keysParameter(keyFormat, events)}::uuid[])`.execute(db);
    const stored = new Map(
      rows.map((row) => [row.event_key.replaceAll("-", ""), { ...identityOf(row), bytes: elementOf(toArchived(row).event) }]),
    );
    const fresh: EventSlice[] = [];
    const conflicts: QuarantinedEvent[] = [];
    let repeats = 0;
    for (const event of events) {
      const { bytes, id, source, type } = event;
      const key = keyParameter(keyFormat, event).toString("hex");
      const earlier = stored.get(key);
      if (earlier === undefined) {
        stored.set(key, event);
        fresh.push(event);
      } else if (earlier.source === source && earlier.id === id && sameContent(earlier.bytes, bytes)) {
        repeats += 1;
      } else {
        conflicts.push({ reason: "id_conflict", detail: `another event has source ${source} and id ${id}`, bytes, id, source, type });
      }
    }
    return { fresh, repeats, conflicts };
  }

  async #quarantine(db: Transaction<unknown>, quarantined: readonly QuarantinedEvent[]): Promise<void> {
    if (quarantined.length === 0) return;
    const keys = quarantined.map(({ reason, bytes, source = "", id = "" }) =>
      eventKey(`${reason} ${source}`, `${id} ${Buffer.from(bytes).toString("base64")}`),
    );
    await sql`
      insert into ${this.#table("quarantine")} (content_key, reason, detail, payload)
      select * from unnest(${keys}::uuid[], ${quarantined.map(({ reason }) => reason)}::text[], ${quarantined.map(({ detail }) => detail.replaceAll("\0", "\uFFFD").toWellFormed())}::text[],
        ${quarantined.map(({ bytes }) => Buffer.from(bytes))}::bytea[])
      on conflict do nothing`.execute(db);
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

function where(filter: ArchiveFilter): RawBuilder<unknown> {
  const conditions: RawBuilder<unknown>[] = [sql`true`];
  if (filter.patterns.length > 0 && !filter.patterns.includes("#"))
    conditions.push(sql`type ~ any(${filter.patterns.map(topicRegex)}::text[])`);
  if (filter.source !== undefined) conditions.push(sql`source = ${filter.source}`);
  if (filter.fromTime !== undefined) conditions.push(sql`recorded_at >= to_timestamp(${filter.fromTime}::float8 / 1000)`);
  if (filter.toTime !== undefined) conditions.push(sql`recorded_at < to_timestamp(${filter.toTime}::float8 / 1000)`);
  return sql.join(conditions, sql` and `);
}

const identityOf = ({ source, id }: Row): EventIdentity => ({ source, id });

function toArchived(row: Row): ArchivedEvent {
  const event = create(EventSchema, {
    id: row.id,
    source: row.source,
    type: row.type,
    subject: row.subject,
    partitionKey: row.partition_key,
    dataContentType: row.content_type,
    dataSchema: row.data_schema,
    extensions: row.extensions,
    body: toBody(row),
  });
  if (row.event_time !== null) event.time = timestampFromDate(row.event_time);
  return { position: row.position, recordedAt: row.recorded_at.getTime(), event };
}

function toBody({ body_kind: kind, data }: Row): Event["body"] {
  if (kind === bodyKinds.text) return { case: "text", value: data.toString("utf8") };
  return kind === bodyKinds.data ? { case: "data", value: data } : { case: undefined };
}

/** A stored event as an element of `EventBatch.events`, to be compared. */
function elementOf(event: Event): Uint8Array {
  return toBinary(PackSchema, create(PackSchema, { events: [event] }));
}
