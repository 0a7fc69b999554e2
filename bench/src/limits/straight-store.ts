import { Client, type Connection, type Submittable } from "pg";
import { copyId, endOfEvent, frameHeadBytes, idBytes, type EventWriter } from "./straight-wire.ts";

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

  /** Adds the events of a pack; with a writer, the event that it makes of a payload. False: it is full. */
  add(message: Buffer, writer: EventWriter | undefined): boolean {
    const size = writer?.size(message.length) ?? message.length;
    if (this.#eventsEnd + size > this.#events.length) return false;
    if (writer === undefined) this.#events.set(message, this.#eventsEnd);
    else writer.write(this.#events, this.#eventsEnd, message);
    const end = this.#eventsEnd + size;
    let to = this.#keysEnd;
    for (let at = this.#eventsEnd; at < end; at = endOfEvent(this.#events, at)) {
      this.#keys.writeInt32BE(idBytes, to);
      copyId(this.#events, at, this.#keys, to + 4);
      to += 4 + idBytes;
    }
    this.#eventsEnd = end;
    this.#keysEnd = to;
    return true;
  }

  /** The events with their length, for streams. */
  get frame(): Buffer {
    return this.#events.subarray(eventsAt - frameHeadBytes, this.#eventsEnd);
  }

  /** The messages of PostgreSQL's protocol that run the statement, in two pieces. */
  toMessages(): readonly [Buffer, Buffer] {
    const [events, keys, keysEnd] = [this.#events, this.#keys, this.#keysEnd];
    const count = (keysEnd - keysAt) / (4 + idBytes);
    events.writeInt32BE(count, countAt);
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

/** Bind without a portal: the statement, all parameters in binary, three of them, the first of four bytes; then its value and the length of the next. */
const bindHead = Buffer.from(`B\0\0\0\0\0${statement}\0\0\x01\0\x01\0\x03\0\0\0\x04\0\0\0\0\0\0\0\0`, "latin1");
const eventsAt = bindHead.length;
const countAt = eventsAt - 8;
/** An array without NULLs: dimensions, whether there are NULLs, type, size, and lower bound. Its length goes before it. */
const arrayHead = Buffer.from(new Uint8Array(20));
for (const [index, value] of [1, 0, uuidType, 0, 1].entries()) arrayHead.writeInt32BE(value, index * 4);
const arrayCountAt = 4 + 12;
const keysAt = 4 + arrayHead.length;
/** No formats of results, which ends Bind; Execute; Sync. */
const executeAndSync = Buffer.from("\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", "latin1");
const resultFormatBytes = 2;

/**
 * Stores segments with pg, one after another, each with the unique keys of its events and the new head in one statement that commits durably. Its messages are written
 * here, for pg would copy the parameters twice.
 */
export class SegmentStore implements Submittable {
  readonly #client: Client;
  #messages: readonly Buffer[] = [];
  #stored: () => void = () => undefined;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Makes its tables anew, in a schema of their own. */
  static async open(url: string, schema: string): Promise<SegmentStore> {
    const client = new Client({ connectionString: url });
    await client.connect();
    // lz4 costs less than writing what it saves; the default costs more.
    const { rows } = await client.query<{ readonly lz4: boolean }>(
      "select 'lz4' = any(enumvals) as lz4 from pg_settings where name = 'default_toast_compression'",
    );
    const packed = rows.some(({ lz4 }) => lz4) ? "compression lz4" : "storage external";
    const own = client.escapeIdentifier(schema);
    await client.query(`drop schema if exists ${own} cascade;
      create schema ${own};
      set search_path to ${own};
      create table straight_head (head bigint) with (fillfactor = 50);
      insert into straight_head values (0);
      create table straight_segments (last_offset bigint primary key, events int not null, bytes bytea not null);
      alter table straight_segments alter column bytes set ${packed};
      create table straight_keys (key uuid primary key);
      prepare ${statement} (int, bytea, uuid[]) as
        with head as (update straight_head set head = head + $1 returning head),
          segment as (insert into straight_segments select head, $1, $2 from head)
        insert into straight_keys select unnest($3)`);
    return new SegmentStore(client);
  }

  /** Calls back when the segment is committed. One at a time. */
  append(segment: Segment, stored: () => void): void {
    this.#messages = segment.toMessages();
    this.#stored = stored;
    this.#client.query(this);
  }

  submit(connection: Connection): void {
    connection.stream.cork();
    for (const message of this.#messages) connection.stream.write(message);
    connection.stream.uncork();
  }

  handleCommandComplete(): void {
    // Ready follows.
  }

  handleError(error: Error): void {
    throw new Error("PostgreSQL refused a segment", { cause: error });
  }

  handleReadyForQuery(): void {
    this.#stored();
  }
}
