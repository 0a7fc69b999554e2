import { Client, type Connection, type QueryConfig, type Submittable } from "pg";
import { frameHeadBytes, idBytes, type EventChecker, type EventWriter } from "./straight-wire.ts";

const statement = "straight";
/** Room for the keys of the smallest events, and what follows them. */
const keyBytes = 512 * 1024;
const uuidType = 2950;

/**
 * A segment as what PostgreSQL is sent to store it: memory that is used again and again. PostgreSQL has the length of the events before them, and so have subscribers:
 * both are sent the same bytes.
 */
export class Segment {
  readonly #events: Buffer;
  readonly #keys = Buffer.allocUnsafeSlow(keysAt + keyBytes);
  #eventsEnd = eventsAt;
  #keysEnd = keysAt;

  /** Room for so many bytes of events. */
  constructor(eventBytes: number) {
    this.#events = Buffer.allocUnsafeSlow(eventsAt + eventBytes);
    bindHead.copy(this.#events);
    arrayHead.copy(this.#keys, 4);
  }

  /** Empties it. */
  begin(): void {
    this.#eventsEnd = eventsAt;
    this.#keysEnd = keysAt;
  }

  /** Adds the events of a pack, checked; with a writer, the event that it makes of a payload. False: it is full. */
  add(message: Buffer, checker: EventChecker, writer: EventWriter | undefined): boolean {
    const size = writer?.size(message.length) ?? message.length;
    if (this.#eventsEnd + size > this.#events.length) return false;
    if (writer === undefined) this.#events.set(message, this.#eventsEnd);
    else writer.write(this.#events, this.#eventsEnd, message);
    const end = this.#eventsEnd + size;
    let to = this.#keysEnd;
    for (let at = this.#eventsEnd; at < end; to += 4 + idBytes) {
      this.#keys.writeInt32BE(idBytes, to);
      at = checker.check(this.#events, at, end, this.#keys, to + 4);
    }
    this.#eventsEnd = end;
    this.#keysEnd = to;
    return true;
  }

  /** The events with their length, for streams. */
  get frame(): Buffer {
    return this.#events.subarray(eventsAt - frameHeadBytes, this.#eventsEnd);
  }

  get count(): number {
    return (this.#keysEnd - keysAt) / (4 + idBytes);
  }

  /** The messages of PostgreSQL's protocol that run the statement on a log with this head, in two pieces. */
  toMessages(head: number): readonly [Buffer, Buffer] {
    const [events, keys, keysEnd, count] = [this.#events, this.#keys, this.#keysEnd, this.count];
    events.writeInt32BE(count, countAt);
    events.writeBigInt64BE(BigInt(head), headAt);
    events.writeInt32BE(this.#eventsEnd - eventsAt, eventsAt - frameHeadBytes);
    keys.writeInt32BE(keysEnd - 4, 0);
    keys.writeInt32BE(count, arrayCountAt);
    const end = keysEnd + executeAndSync.length;
    executeAndSync.copy(keys, keysEnd);
    // The length of Bind counts all of it but its type.
    events.writeInt32BE(this.#eventsEnd + keysEnd + resultFormatBytes - 1, 1);
    return [events.subarray(0, this.#eventsEnd), keys.subarray(0, end)];
  }
}

/** Bind without a portal: the statement, all parameters in binary, four of them, the first of four bytes, the second of eight; then the length of the next. */
const bindHead = Buffer.from(
  `B\0\0\0\0\0${statement}\0\0\x01\0\x01\0\x04\0\0\0\x04${"\0".repeat(4)}\0\0\0\x08${"\0".repeat(8)}${"\0".repeat(4)}`,
  "latin1",
);
const eventsAt = bindHead.length;
const headAt = eventsAt - 12;
const countAt = headAt - 8;
/** An array without NULLs: dimensions, whether there are NULLs, type, size, and lower bound. Its length goes before it. */
const arrayHead = Buffer.from(new Uint8Array(20));
for (const [index, value] of [1, 0, uuidType, 0, 1].entries()) arrayHead.writeInt32BE(value, index * 4);
const arrayCountAt = 4 + 12;
const keysAt = 4 + arrayHead.length;
/** No formats of results, which ends Bind; Execute; Sync. */
const executeAndSync = Buffer.from("\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", "latin1");
const resultFormatBytes = 2;

/** Its only log, and the epoch of its only writer. */
const [log, epoch] = [1, 1];

/**
 * Stores segments with pg, one after another, by the rules of Warren's log: head, segment, and a unique key of each event with its offset change in one statement that
 * commits durably, only where epoch and head are as expected. Its messages are written here, for pg would copy the parameters twice. Saves how far subscribers are on a
 * connection of its own.
 */
export class SegmentStore implements Submittable {
  readonly #appends: Client;
  readonly #saves: Client;
  /** pg wants one statement at a time. */
  #saving: Promise<unknown> = Promise.resolve();
  #head = 0;
  #segment: Segment | undefined;
  #stored: () => void = () => undefined;

  private constructor(appends: Client, saves: Client) {
    this.#appends = appends;
    this.#saves = saves;
  }

  /** Makes its tables anew, in a schema of their own. */
  static async open(url: string, schema: string): Promise<SegmentStore> {
    const [appends, saves] = [new Client({ connectionString: url }), new Client({ connectionString: url })];
    await Promise.all([appends.connect(), saves.connect()]);
    // So that its process keeps the memory of an append for the next one.
    await appends.query("select octet_length(repeat('x', 8388608))");
    // lz4 costs less than writing what it saves; the default costs more.
    const { rows } = await appends.query<{ readonly lz4: boolean }>(
      "select 'lz4' = any(enumvals) as lz4 from pg_settings where name = 'default_toast_compression'",
    );
    const packed = rows.some(({ lz4 }) => lz4) ? "compression lz4" : "storage external";
    const own = appends.escapeIdentifier(schema);
    await appends.query(`drop schema if exists ${own} cascade;
      create schema ${own};
      set search_path to ${own};
      create table logs (log bigint primary key, epoch bigint, head bigint) with (fillfactor = 50);
      insert into logs values (${log}, ${epoch}, 0);
      create table segments (log bigint, last_offset bigint, events int not null, recorded_at timestamptz not null, bytes bytea not null, primary key (log, last_offset));
      alter table segments alter column bytes set ${packed};
      alter table segments set (autovacuum_vacuum_insert_threshold = -1, toast.autovacuum_vacuum_insert_threshold = -1);
      create table event_keys (log bigint, key uuid, event_offset bigint not null, primary key (log, key));
      alter table event_keys set (autovacuum_vacuum_insert_threshold = -1);
      create table places (place int primary key, acked bigint not null) with (fillfactor = 50);
      prepare ${statement} (int, bigint, bytea, uuid[]) as
        with head as (update logs set head = head + $1 where log = ${log} and epoch = ${epoch} and head = $2 returning head),
          segment as (insert into segments select ${log}, head, $1, clock_timestamp(), $3 from head)
        insert into event_keys select ${log}, unnest($4), generate_series($2 + 1, $2 + $1) from head`);
    await saves.query(`set search_path to ${own}`);
    return new SegmentStore(appends, saves);
  }

  /** Calls back when the segment is committed. One at a time. */
  append(segment: Segment, stored: () => void): void {
    this.#segment = segment;
    this.#stored = stored;
    this.#appends.query(this);
  }

  submit(connection: Connection): void {
    connection.stream.cork();
    for (const message of this.#segment?.toMessages(this.#head) ?? []) connection.stream.write(message);
    connection.stream.uncork();
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    const count = this.#segment?.count ?? 0;
    if (text !== `INSERT 0 ${count}`) throw new Error(`PostgreSQL has stored ${text} and not ${count} events`);
    this.#head += count;
  }

  handleError(error: Error): void {
    throw new Error("PostgreSQL refused a segment", { cause: error });
  }

  handleReadyForQuery(): void {
    this.#stored();
  }

  /** Resolves when the subscriber has a place. */
  addPlace(place: number): Promise<unknown> {
    return this.#save({ text: "insert into places values ($1, 0)", values: [place] });
  }

  /** How far subscribers are, by place. */
  saveAcked(acked: ReadonlyMap<number, number>): Promise<unknown> {
    return this.#save({
      name: "save",
      text: "update places p set acked = a.acked from unnest($1::int[], $2::bigint[]) as a (place, acked) where p.place = a.place",
      values: [[...acked.keys()], [...acked.values()]],
    });
  }

  #save(query: QueryConfig): Promise<unknown> {
    this.#saving = this.#saving.then(() => this.#saves.query(query));
    return this.#saving;
  }
}
