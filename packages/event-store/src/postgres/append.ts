import { createHash } from "node:crypto";
import { joinSlices, type EncodedBatch, type EventSlice, type QuarantinedEvent } from "@warren/protocol";
import { binaryArray, type Database, type ParameterValue, type PreparedStatement } from "@warren/postgres";
import type { AppendRequest, PreparedEvents } from "../event-log.ts";
import { keysParameter, type KeyFormat } from "../event-keys.ts";
import type { TableNames } from "./tables.ts";

/** Version of the bytes in `payload`: 1 is `EventBatch.events` of warren.v1. */
const segmentFormat = 1;

/** The statements of an append; most have events and nothing aside. */
export interface AppendStatements {
  readonly events: PreparedStatement;
  readonly aside: PreparedStatement;
  readonly both: PreparedStatement;
}

/**
 * W2 and W3 in one statement: head, segment, event keys and quarantine change together, only where epoch and head are the expected ones, and not at
 * all when a key exists (unique_violation). Nothing: epoch, head or key format differ, nothing was written. Offset order is time order: recorded_at never goes back.
 */
export function appendStatements(tables: TableNames): AppendStatements {
  const statement = (name: string, { events, aside }: { readonly events: boolean; readonly aside: boolean }): PreparedStatement => ({
    name: `append ${name}`,
    text: `
      with head as (
        update ${tables.logs} set
          head_offset = head_offset + $4::int,
          kept_bytes = kept_bytes + $5::bigint,
          last_recorded_at = greatest(last_recorded_at, date_trunc('milliseconds', clock_timestamp()))
        where receiver_id = $1::bigint and epoch = $2::bigint and head_offset = $3::bigint and key_format = $6::smallint
        returning head_offset, last_recorded_at
      )${events ? eventParts(tables) : ""}${aside ? asidePart(tables, events ? 9 : 7) : ""}
      select (extract(epoch from last_recorded_at) * 1000)::bigint as recorded_ms from head`,
  });
  return {
    events: statement("events", { events: true, aside: false }),
    aside: statement("aside", { events: false, aside: true }),
    both: statement("both", { events: true, aside: true }),
  };
}

const eventParts = (tables: TableNames): string => `, segment as (
        insert into ${tables.segments} (receiver_id, last_offset, first_offset, event_count, epoch, format, recorded_at, payload)
        select $1::bigint, head_offset, $3::bigint + 1, $4::int, $2::bigint, ${segmentFormat}, last_recorded_at, $7::bytea from head
      ), keys as (
        insert into ${tables.keys} (receiver_id, event_key, event_offset)
        select $1::bigint, unnest($8::uuid[]), generate_series($3::bigint + 1, $3::bigint + $4::int) from head
      )`;

const asidePart = (tables: TableNames, first: number): string => {
  const columns = ["uuid", "text", "text", "text", "text", "text", "bytea"].map((type, index) => `$${first + index}::${type}[]`);
  return `, aside as (
        insert into ${tables.quarantine} (receiver_id, content_key, reason, detail, source, id, type, payload)
        select $1::bigint, q.* from head, unnest(${columns.join(", ")}) as q
        on conflict do nothing
      )`;
};

/** Bytes and keys of a segment that is to be appended. */
export class PreparedSegment implements PreparedEvents {
  readonly events: readonly EventSlice[];
  readonly keyFormat: KeyFormat;
  readonly joined: Pick<EncodedBatch, "bytes" | "eventEnds">;
  readonly keys: Buffer;

  constructor(events: readonly EventSlice[], keyFormat: KeyFormat) {
    this.events = events;
    this.keyFormat = keyFormat;
    this.joined = joinSlices(events);
    this.keys = keysParameter(keyFormat, events);
  }
}

/** Appends one batch; see `appendStatements`. Undefined: nothing was written. */
export async function appendSegment(
  database: Database<unknown>,
  statements: AppendStatements,
  request: AppendRequest,
  keyFormat: KeyFormat,
): Promise<EncodedBatch | "empty" | undefined> {
  const { receiverId, epoch, headOffset, events, quarantined } = request;
  const count = events.length;
  const segment = count === 0 ? undefined : prepared(request, keyFormat);
  const joined = segment?.joined;
  const values: ParameterValue[] = [receiverId, epoch, headOffset, count, joined?.bytes.length ?? 0, keyFormat];
  if (segment !== undefined) values.push(segment.joined.bytes, segment.keys);
  const aside = quarantined.length > 0 || count === 0;
  if (aside) values.push(...quarantineColumns(quarantined));
  const statement = joined === undefined ? statements.aside : aside ? statements.both : statements.events;
  const [row] = await database.prepared<{ recorded_ms: bigint }>(statement, values);
  if (row === undefined) return undefined;
  if (joined === undefined) return "empty";
  return { firstOffset: headOffset + 1n, count, ...joined, recordedAt: Number(row.recorded_ms) };
}

function prepared({ events, prepared: ahead }: AppendRequest, keyFormat: KeyFormat): PreparedSegment {
  const fits = ahead instanceof PreparedSegment && ahead.events === events && ahead.keyFormat === keyFormat;
  return fits ? ahead : new PreparedSegment(events, keyFormat);
}

/** Columns of quarantined events. PostgreSQL's text takes no NUL: there it is shown as U+FFFD, the bytes are kept as they came. */
function quarantineColumns(quarantined: readonly QuarantinedEvent[]): readonly Buffer[] {
  const texts = (of: (event: QuarantinedEvent) => string | undefined): Buffer =>
    binaryArray(
      "text",
      quarantined.map((event) => {
        const text = of(event);
        return text === undefined ? null : Buffer.from(text.replaceAll("\0", "\uFFFD"));
      }),
    );
  return [
    binaryArray("uuid", quarantined.map(contentKey)),
    texts(({ reason }) => reason),
    texts(({ detail }) => detail),
    texts(({ source }) => source),
    texts(({ id }) => id),
    texts(({ type }) => type),
    binaryArray(
      "bytea",
      quarantined.map(({ bytes }) => bytes),
    ),
  ];
}

function contentKey({ reason, detail, bytes }: QuarantinedEvent): Buffer {
  return createHash("sha256").update(reason).update("\0").update(detail).update("\0").update(bytes).digest().subarray(0, 16);
}
