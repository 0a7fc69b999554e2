import { Client, type Connection, type Submittable } from "pg";
import { copyId, endOfEvent, frameHeadBytes, idBytes } from "./straight-wire.ts";

const statement = "straight";
/** About 1,000 events of 256 bytes. */
const eventBytes = 320 * 1024;
/** Room for the keys of the smallest events. */
const keyBytes = 192 * 1024;
const uuidType = 2950;

/**
 * A segment as what PostgreSQL is sent to store it: one stretch of memory, used again and again. PostgreSQL has the length of the events before them, and so have
 * subscribers: both are sent the same bytes.
 */
export class Segment {
  readonly #bytes = Buffer.allocUnsafeSlow(eventBytes + keyBytes);
  #end = eventsAt;

  constructor() {
    bindHead.copy(this.#bytes);
  }

  /** Empties it. */
  begin(): void {
    this.#end = eventsAt;
  }

  /** Adds the events of a pack. False: it is full. */
  add(pack: Buffer): boolean {
    const end = this.#end + pack.length;
    if (end > eventsAt + eventBytes) return false;
    this.#bytes.set(pack, this.#end);
    this.#end = end;
    return true;
  }

  /** The events with their length, for streams. */
  get frame(): Buffer {
    return this.#bytes.subarray(eventsAt - frameHeadBytes, this.#end);
  }

  /** The messages of PostgreSQL's protocol that run the statement. */
  toMessages(): Buffer {
    const bytes = this.#bytes;
    const keysAt = this.#end + 4 + arrayHeadBytes;
    let [count, to] = [0, keysAt];
    for (let at = eventsAt; at < this.#end; at = endOfEvent(bytes, at)) {
      bytes.writeInt32BE(idBytes, to);
      copyId(bytes, at, to + 4);
      to += 4 + idBytes;
      count += 1;
    }
    bytes.writeInt32BE(count, countAt);
    bytes.writeInt32BE(this.#end - eventsAt, eventsAt - 4);
    // One dimension, no NULLs, the type, the size, and the lower bound.
    for (const [index, value] of [to - keysAt + arrayHeadBytes, 1, 0, uuidType, count, 1].entries()) {
      bytes.writeInt32BE(value, this.#end + index * 4);
    }
    bytes.writeInt16BE(0, to);
    bytes.writeInt32BE(to + 2 - 1, 1);
    executeAndSync.copy(bytes, to + 2);
    return bytes.subarray(0, to + 2 + executeAndSync.length);
  }
}

/** Bind without a portal: the statement, all parameters in binary, three of them, the first of four bytes; then its value and the length of the next. */
const bindHead = Buffer.concat([
  Buffer.from("B\0\0\0\0\0"),
  Buffer.from(`${statement}\0`),
  Buffer.from([0, 1, 0, 1, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0]),
]);
const eventsAt = bindHead.length;
const countAt = eventsAt - 8;
const arrayHeadBytes = 20;
const executeAndSync = Buffer.from("E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", "latin1");

/**
 * Stores segments with pg, one after another, each with the unique keys of its events and the new head in one statement that commits durably. Its messages are written
 * here, for pg would copy the parameters twice.
 */
export class SegmentStore implements Submittable {
  readonly #client: Client;
  #messages: Buffer = Buffer.alloc(0);
  #stored: () => void = () => undefined;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Makes its tables anew. */
  static async open(url: string): Promise<SegmentStore> {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query(`drop table if exists straight_head, straight_segments, straight_keys;
      create table straight_head (head bigint) with (fillfactor = 50);
      insert into straight_head values (0);
      create table straight_segments (last_offset bigint primary key, events int not null, bytes bytea not null);
      alter table straight_segments alter column bytes set storage external;
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
    connection.stream.write(this.#messages);
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
