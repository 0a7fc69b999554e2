import { create, toBinary } from "@bufbuild/protobuf";
import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { decodeEvent, must, sameContent, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
import { EventSchema, PackSchema, type Event } from "@warren/protocol/v1";
import { classifyDatabaseError, describeRefusal, migrate, toStoreError, type Database } from "@warren/postgres";
import { sql, type Kysely, type RawBuilder, type Transaction } from "kysely";
import type { CallOptions } from "../event-log.ts";
import { eventKey } from "../event-key.ts";
import type { ArchiveAppendResult, ArchivedEvent, ArchiveFilter, ArchiveStore, Position } from "./archive-store.ts";
import { init } from "./migrations.ts";
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

/** How `body_kind` says what the sender gave. */
const bodyKinds = { none: 0, data: 1, text: 2 } as const;

/** Makes or updates the archive's tables. Safe to call from several processes at once. Throws STORE_UNAVAILABLE, CONFIG_INVALID. */
export function migrateArchive(database: Database<unknown>): Promise<void> {
  return migrate(database, "archive", { "0001_init": init(database.schema) });
}

/** The archive on PostgreSQL. `migrateArchive` comes first. Does not close the database. */
export function createPostgresArchiveStore(database: Database<unknown>): ArchiveStore {
  return new PostgresArchiveStore(database);
}

class PostgresArchiveStore implements ArchiveStore {
  readonly #db: Kysely<unknown>;
  readonly #table: (name: string) => RawBuilder<unknown>;

  constructor(database: Database<unknown>) {
    this.#db = database.db;
    this.#table = (name) => sql.id(database.schema, name);
  }

  async append(
    events: readonly EventSlice[],
    quarantined: readonly QuarantinedEvent[],
    options?: CallOptions,
  ): Promise<ArchiveAppendResult> {
    options?.signal?.throwIfAborted();
    try {
      return await this.#db.transaction().execute(async (transaction): Promise<ArchiveAppendResult> => {
        // The one row is the lock: writers go one after the other, so positions are dense and in order of commit.
        await sql`select 1 from ${this.#table("archive_head")} for update`.execute(transaction);
        const { fresh, repeats, conflicts } = await this.#sort(transaction, events);
        if (fresh.length > 0) await this.#insert(transaction, fresh);
        await this.#quarantine(transaction, [...quarantined, ...conflicts]);
        return { kind: "stored", stored: fresh.length, repeats, conflicts: conflicts.length };
      });
    } catch (error) {
      if (classifyDatabaseError(error) === "data") return { kind: "refused", detail: describeRefusal(error) };
      throw toStoreError(error);
    }
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
    const { rows } = await this.#run(options, () =>
      sql<Row>`select e.* from ${this.#table("archived_event_keys")} k join ${this.#table("archived_events")} e using (position)
        where k.event_key = ${eventKey(source, id)}::uuid`.execute(this.#db),
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

  /** What is new; what is stored already; what has the id of another event (W3). */
  async #sort(db: Transaction<unknown>, events: readonly EventSlice[]) {
    const keys = events.map(({ source, id }) => eventKey(source, id));
    const { rows } = await sql<Row & { event_key: string }>`
      select k.event_key, e.* from ${this.#table("archived_event_keys")} k join ${this.#table("archived_events")} e using (position)
      where k.event_key = any(${keys}::uuid[])`.execute(db);
    const stored = new Map<string, Uint8Array>(rows.map((row) => [row.event_key, elementOf(toArchived(row).event)]));
    const fresh: EventSlice[] = [];
    const conflicts: QuarantinedEvent[] = [];
    let repeats = 0;
    events.forEach((event, index) => {
      const key = keys[index] ?? "";
      const earlier = stored.get(key);
      if (earlier === undefined) {
        stored.set(key, event.bytes);
        fresh.push(event);
      } else if (sameContent(earlier, event.bytes)) {
        repeats += 1;
      } else {
        const { bytes, id, source, type } = event;
        conflicts.push({ reason: "id_conflict", detail: `another event has source ${source} and id ${id}`, bytes, id, source, type });
      }
    });
    return { fresh, repeats, conflicts };
  }

  async #insert(db: Transaction<unknown>, slices: readonly EventSlice[]): Promise<void> {
    const events = slices.map(({ bytes }) => decodeEvent(bytes));
    const column = <T>(read: (event: Event) => T): T[] => events.map(read);
    await sql`
      with head as (
        update ${this.#table("archive_head")} set
          head_position = head_position + ${events.length}::int,
          last_recorded_at = greatest(last_recorded_at, date_trunc('milliseconds', clock_timestamp()))
        returning head_position - ${events.length}::int as before, last_recorded_at
      ), keys as (
        insert into ${this.#table("archived_event_keys")} (event_key, position)
        select k.key, head.before + k.place from head, unnest(${slices.map(({ source, id }) => eventKey(source, id))}::uuid[]) with ordinality as k(key, place)
      )
      insert into ${this.#table("archived_events")} (position, event_key, id, source, type, subject, event_time, recorded_at, partition_key, content_type, data_schema, extensions, body_kind, data)
      select head.before + e.place, e.event_key, e.id, e.source, e.type, e.subject, e.event_time, head.last_recorded_at, e.partition_key, e.content_type, e.data_schema, e.extensions, e.body_kind, e.data
      from head, unnest(
        ${slices.map(({ source, id }) => eventKey(source, id))}::uuid[], ${column(({ id }) => id)}::text[], ${column(({ source }) => source)}::text[],
        ${column(({ type }) => type)}::text[], ${column(({ subject }) => subject)}::text[],
        ${column(({ time }) => (time === undefined ? null : timestampDate(time).toISOString()))}::timestamptz[],
        ${column(({ partitionKey }) => partitionKey)}::text[], ${column(({ dataContentType }) => dataContentType)}::text[],
        ${column(({ dataSchema }) => dataSchema)}::text[], ${column(({ extensions }) => JSON.stringify(extensions))}::json[],
        ${column(({ body }) => (body.case === undefined ? bodyKinds.none : bodyKinds[body.case]))}::smallint[], ${column(bodyOf)}::bytea[]
      ) with ordinality as e(event_key, id, source, type, subject, event_time, partition_key, content_type, data_schema, extensions, body_kind, data, place)`.execute(
      db,
    );
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

function bodyOf({ body }: Event): Buffer {
  if (body.case === undefined) return Buffer.alloc(0);
  return body.case === "text" ? Buffer.from(body.value) : Buffer.from(body.value);
}

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
