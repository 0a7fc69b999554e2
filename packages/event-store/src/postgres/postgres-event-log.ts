import { assert, Limits, WarrenError, type EventSlice, type Offset } from "@warren/protocol";
import {
  classifyDatabaseError,
  describeRefusal,
  migrate,
  outcomeIsUnknown,
  sqlStateOf,
  toStoreError,
  type Database,
} from "@warren/postgres";
import { sql, type Kysely } from "kysely";
import { checkKeyFormat, currentKeyFormat, shareKey, type EventIdentity, type KeyFormat } from "../event-keys.ts";
import type {
  AppendRequest,
  AppendResult,
  CallOptions,
  Claim,
  EventLog,
  KnownEvent,
  LogGap,
  LogSizes,
  MissedGap,
  MissedRequest,
  PreparedEvents,
  PruneRequest,
  PruneResult,
  QuarantineRow,
  ReadRequest,
  ReadResult,
} from "../event-log.ts";
import { appendSegment, appendStatements, PreparedSegment, type AppendStatements } from "./append.ts";
import { dropLog } from "./drop.ts";
import { insertMissed, readGaps } from "./gaps.ts";
import { knownEvents, offsetsOf } from "./known.ts";
import { init } from "./migrations/0001-init.ts";
import { keptBytes } from "./migrations/0002-kept-bytes.ts";
import { keyFormat } from "./migrations/0003-key-format.ts";
import { vacuum } from "./migrations/0004-vacuum.ts";
import { pruneSegments } from "./prune.ts";
import { readSegments } from "./read-segments.ts";
import { segmentSizes } from "./segment-sizes.ts";
import { namesOf, tablesOf, type TableNames, type Tables } from "./tables.ts";

interface LogRow {
  readonly epoch: bigint;
  readonly head_offset: bigint;
  readonly oldest_offset: bigint;
  readonly log_id: string;
  readonly key_format: number;
}

/** Partitions of the two large tables: enough that vacuum and index work on parts, few enough that planning stays cheap. */
const defaultPartitions = 8;

/**
 * Makes or updates the tables of the log. Safe to call from several processes at once. `partitions` counts when the tables are made, and is for measurements;
 * default 8. Throws STORE_UNAVAILABLE, CONFIG_INVALID.
 */
export function migrateEventLog(database: Database<unknown>, options: { readonly partitions?: number | undefined } = {}): Promise<void> {
  return migrate(database, "event_log", {
    "0001_init": init(database.schema, options.partitions ?? defaultPartitions),
    "0002_kept_bytes": keptBytes(database.schema),
    "0003_key_format": keyFormat(database.schema),
    "0004_vacuum": vacuum(database.schema),
  });
}

/** The log of segments on PostgreSQL. `migrateEventLog` comes first. Does not close the database. */
export function createPostgresEventLog(database: Database<unknown>): EventLog {
  return new PostgresEventLog(database);
}

class PostgresEventLog implements EventLog {
  readonly #database: Database<unknown>;
  readonly #db: Kysely<unknown>;
  readonly #tables: Tables;
  readonly #names: TableNames;
  readonly #appends: AppendStatements;
  /** Of logs that were met: a log never changes it. */
  readonly #keyFormats = new Map<bigint, KeyFormat>();

  constructor(database: Database<unknown>) {
    this.#database = database;
    this.#db = database.db;
    this.#tables = tablesOf(database.schema);
    this.#names = namesOf(this.#db, this.#tables);
    this.#appends = appendStatements(this.#names);
  }

  async create(receiverId: bigint, options?: CallOptions): Promise<void> {
    await this.#run(options, () =>
      sql`insert into ${this.#tables.logs} (receiver_id, key_format) values (${receiverId}::bigint, ${currentKeyFormat}::smallint)
        on conflict do nothing`.execute(this.#db),
    );
  }

  async claim(receiverId: bigint, options?: CallOptions): Promise<Claim> {
    const { rows } = await this.#run(options, () =>
      // A log that is not for this version stays with who holds it.
      sql<LogRow>`update ${this.#tables.logs} set epoch = epoch + 1
        where receiver_id = ${receiverId}::bigint and key_format <= ${currentKeyFormat}::smallint
        returning epoch, head_offset, oldest_offset, log_id, key_format`.execute(this.#db),
    );
    if (rows[0] === undefined) {
      this.#keyFormats.delete(receiverId);
      await this.#keyFormatOf(receiverId, options);
    }
    return this.#met(rows[0], receiverId);
  }

  async status(receiverId: bigint, options?: CallOptions): Promise<Claim> {
    const { rows } = await this.#run(options, () =>
      sql<LogRow>`select epoch, head_offset, oldest_offset, log_id, key_format from ${this.#tables.logs} where receiver_id = ${receiverId}::bigint`.execute(
        this.#db,
      ),
    );
    return this.#met(rows[0], receiverId);
  }

  async statuses(receiverIds: readonly bigint[], options?: CallOptions): Promise<ReadonlyMap<bigint, Claim>> {
    const { rows } = await this.#run(options, () =>
      sql<
        LogRow & { receiver_id: bigint }
      >`select receiver_id, epoch, head_offset, oldest_offset, log_id, key_format from ${this.#tables.logs}
        where receiver_id = any(${receiverIds}::bigint[])`.execute(this.#db),
    );
    return new Map(rows.map((row) => [row.receiver_id, this.#met(row, row.receiver_id)]));
  }

  async renew(receiverId: bigint, epoch: bigint, options?: CallOptions): Promise<string> {
    const { rows } = await this.#run(options, () =>
      sql<{ log_id: string }>`update ${this.#tables.logs} set log_id = gen_random_uuid()
        where receiver_id = ${receiverId}::bigint and epoch = ${epoch}::bigint returning log_id`.execute(this.#db),
    );
    if (rows[0] === undefined) throw new WarrenError("FENCED", "another broker owns this receiver's log");
    return rows[0].log_id;
  }

  prepare(receiverId: bigint, events: readonly EventSlice[]): PreparedEvents | undefined {
    const keyFormat = this.#keyFormats.get(receiverId);
    return keyFormat === undefined || events.length === 0 ? undefined : new PreparedSegment(events, keyFormat);
  }

  async append(request: AppendRequest, options?: CallOptions): Promise<AppendResult> {
    const { receiverId, events } = request;
    options?.signal?.throwIfAborted();
    const keyFormat = await this.#keyFormatOf(receiverId, options);
    try {
      const segment = await appendSegment(this.#database, this.#appends, request, keyFormat);
      if (segment === "empty") return { kind: "appended", segment: undefined };
      if (segment !== undefined) return { kind: "appended", segment };
    } catch (error) {
      if (sqlStateOf(error) === "23505") {
        const known = await this.known(receiverId, events, options);
        // Of the halves the one is stored, the other known: another event with a known key (ADR-0014).
        if (known.length === 0 && shareKey(keyFormat, events)) return { kind: "refused", detail: "two events have the same key" };
        // A key that was there and is gone: pruned meanwhile. Nothing was written, so the same append may be tried again.
        if (known.length === 0) throw new WarrenError("STORE_UNAVAILABLE", "event keys changed during the append; it is tried again");
        return { kind: "known", known };
      }
      if (classifyDatabaseError(error) === "unavailable" && outcomeIsUnknown(error)) {
        throw new WarrenError("OUTCOME_UNKNOWN", "the database did not say whether it stored the batch", { cause: error });
      }
      if (classifyDatabaseError(error) === "data") return { kind: "refused", detail: describeRefusal(error) };
      throw toStoreError(error);
    }
    const { epoch, headOffset } = await this.status(receiverId, options);
    // Neither differs: the log was removed, and made again with another key format, which is known now.
    if (epoch === request.epoch && headOffset === request.headOffset) return this.append(request, options);
    return epoch === request.epoch ? { kind: "head-moved", headOffset } : { kind: "fenced" };
  }

  async known(receiverId: bigint, events: readonly EventSlice[], options?: CallOptions): Promise<readonly KnownEvent[]> {
    const offsets = await this.offsetsOf(receiverId, events, options);
    return this.#run(options, () => knownEvents(this.#database, this.#names, receiverId, events, offsets));
  }

  async read(request: ReadRequest, options?: CallOptions): Promise<ReadResult> {
    const { receiverId, afterOffset } = request;
    // Twice: a segment may be appended or pruned between the two questions.
    for (let attempt = 1; ; attempt += 1) {
      const segments = await this.#run(options, () => readSegments(this.#database, this.#names, request, options));
      const [first] = segments;
      if (first !== undefined && first.firstOffset <= afterOffset + 1n) return { kind: "segments", segments };
      const { headOffset, oldestOffset } = await this.status(receiverId, options);
      if (afterOffset >= headOffset) {
        throw new WarrenError("OFFSET_OUT_OF_RANGE", `nothing is stored after offset ${afterOffset}; the head is ${headOffset}`);
      }
      if (afterOffset + 1n < oldestOffset) {
        const gaps = await this.gaps(receiverId, afterOffset, options);
        const reason = gaps.find((gap) => gap.kind === "pruned")?.reason ?? "pruned";
        return { kind: "pruned", gap: { kind: "pruned", firstOffset: afterOffset + 1n, lastOffset: oldestOffset - 1n, reason } };
      }
      assert(attempt < 3, `the log of receiver ${receiverId} has a hole after offset ${afterOffset}`);
    }
  }

  async offsetBefore(receiverId: bigint, time: number, options?: CallOptions): Promise<Offset> {
    // Offset order is time order, and a segment has one time: the answer is where a segment ends.
    const { rows } = await this.#run(options, () =>
      sql<{ offset: bigint | null }>`
        select coalesce(
          (select first_offset - 1 from ${this.#tables.segments}
            where receiver_id = ${receiverId}::bigint and recorded_at >= to_timestamp(${time}::float8 / 1000)
            order by last_offset limit 1),
          (select head_offset from ${this.#tables.logs} where receiver_id = ${receiverId}::bigint)
        ) as offset`.execute(this.#db),
    );
    return rows[0]?.offset ?? notFound(receiverId);
  }

  async offsetsOf(receiverId: bigint, identities: readonly EventIdentity[], options?: CallOptions): Promise<ReadonlyMap<number, Offset>> {
    const keyFormat = await this.#keyFormatOf(receiverId, options);
    return this.#run(options, () => offsetsOf(this.#db, this.#tables, { receiverId, keyFormat }, identities));
  }

  async find(receiverId: bigint, source: string, id: string, options?: CallOptions): Promise<Offset | undefined> {
    return (await this.offsetsOf(receiverId, [{ source, id }], options)).get(0);
  }

  async sizes(receiverId: bigint, afterOffset: Offset, limit: number, options?: CallOptions): Promise<LogSizes> {
    const sizes = await this.#run(options, () => segmentSizes(this.#db, this.#tables, { receiverId, afterOffset, limit }));
    return sizes ?? notFound(receiverId);
  }

  async prune(request: PruneRequest, options?: CallOptions): Promise<PruneResult> {
    for (;;) {
      const { epoch, oldestOffset } = await this.status(request.receiverId, options);
      if (epoch !== request.epoch) throw new WarrenError("FENCED", "another broker owns this receiver's log");
      const keyFormat = await this.#keyFormatOf(request.receiverId, options);
      const [tables, from] = [
        { tables: this.#tables, names: this.#names },
        { oldest: oldestOffset, keyFormat },
      ];
      const pruned = await this.#run(options, () => pruneSegments(this.#database, tables, request, from));
      // Else the log changed between the two questions: a prune thought lost came late, or a newer writer took it.
      if (pruned !== undefined) return pruned;
    }
  }

  drop(receiverId: bigint, options?: CallOptions): Promise<boolean> {
    this.#keyFormats.delete(receiverId);
    return this.#run(options, () => dropLog(this.#db, this.#tables, receiverId));
  }

  async recordMissed(missed: MissedRequest, options?: CallOptions): Promise<MissedGap> {
    const gap = await this.#run(options, () => insertMissed(this.#db, this.#tables, missed));
    if (gap !== undefined) return gap;
    await this.status(missed.receiverId, options);
    throw new WarrenError("FENCED", "another broker owns this receiver's log");
  }

  gaps(receiverId: bigint, afterOffset: Offset, options?: CallOptions): Promise<readonly LogGap[]> {
    return this.#run(options, () => readGaps(this.#db, this.#tables, receiverId, afterOffset));
  }

  async quarantined(receiverId: bigint, limit: number, options?: CallOptions): Promise<readonly QuarantineRow[]> {
    type Row = {
      quarantine_id: bigint;
      reason: QuarantineRow["reason"];
      detail: string;
      source: string | null;
      id: string | null;
      type: string | null;
      payload: Buffer;
      size: number;
      recorded_ms: bigint;
    };
    const { rows } = await this.#run(options, () =>
      sql<Row>`select quarantine_id, reason, detail, source, id, type, substring(payload from 1 for ${Limits.quarantineShownBytes}::int) as payload,
        octet_length(payload) as size, (extract(epoch from recorded_at) * 1000)::bigint as recorded_ms
        from ${this.#tables.quarantine} where receiver_id = ${receiverId}::bigint order by quarantine_id desc limit ${limit}::int`.execute(
        this.#db,
      ),
    );
    return rows.map((row) => ({
      quarantineId: row.quarantine_id,
      reason: row.reason,
      detail: row.detail,
      bytes: row.payload,
      size: row.size,
      source: row.source ?? undefined,
      id: row.id ?? undefined,
      type: row.type ?? undefined,
      recordedAt: Number(row.recorded_ms),
    }));
  }

  /** Of a log that does not exist: that of the next one. */
  async #keyFormatOf(receiverId: bigint, options?: CallOptions): Promise<KeyFormat> {
    const known = this.#keyFormats.get(receiverId);
    if (known !== undefined) return known;
    const { rows } = await this.#run(options, () =>
      sql<LogRow>`select key_format from ${this.#tables.logs} where receiver_id = ${receiverId}::bigint`.execute(this.#db),
    );
    const [row] = rows;
    return row === undefined ? currentKeyFormat : this.#keep(receiverId, row);
  }

  #met(row: LogRow | undefined, receiverId: bigint): Claim {
    // A log made anew by a newer version is refused when its format is asked for.
    if (row === undefined || row.key_format > currentKeyFormat) this.#keyFormats.delete(receiverId);
    else this.#keep(receiverId, row);
    return toClaim(row, receiverId);
  }

  #keep(receiverId: bigint, row: LogRow): KeyFormat {
    const format = checkKeyFormat(row.key_format, `the log of receiver ${receiverId}`);
    this.#keyFormats.set(receiverId, format);
    return format;
  }

  async #run<T>(options: CallOptions | undefined, query: () => Promise<T>): Promise<T> {
    options?.signal?.throwIfAborted();
    try {
      return await query();
    } catch (error) {
      options?.signal?.throwIfAborted();
      throw toStoreError(error);
    }
  }
}

function toClaim(row: LogRow | undefined, receiverId: bigint): Claim {
  if (row === undefined) return notFound(receiverId);
  return { epoch: row.epoch, headOffset: row.head_offset, oldestOffset: row.oldest_offset, logId: row.log_id };
}

function notFound(receiverId: bigint): never {
  throw new WarrenError("NOT_FOUND", `receiver ${receiverId} has no log`);
}
