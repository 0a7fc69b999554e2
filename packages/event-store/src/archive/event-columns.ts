import { BinaryReader } from "@bufbuild/protobuf/wire";

/** An event as the archive's columns have it; text as the UTF-8 that came. */
export interface EventColumns {
  id: Uint8Array;
  source: Uint8Array;
  type: Uint8Array;
  subject: Uint8Array;
  contentType: Uint8Array;
  dataSchema: Uint8Array;
  partitionKey: Uint8Array;
  /** Microseconds since 2000, as PostgreSQL counts; undefined: the sender gave none. */
  time: bigint | undefined;
  /** A JSON object. */
  extensions: Uint8Array;
  bodyKind: number;
  body: Uint8Array;
}

/** How `body_kind` says what the sender gave. */
export const bodyKinds = { none: 0, data: 1, text: 2 } as const;

const nothing = new Uint8Array();
const noExtensions = Buffer.from("{}");

/**
 * The columns of an element of `EventBatch.events` that passed the walk (W12): views of its bytes, nothing is decoded that is stored as it came. As in a decoder
 * the last occurrence of a field counts. Numbers of the fields: warren.v1.Event.
 */
export function columnsOf(element: Uint8Array): EventColumns {
  const columns: EventColumns = {
    id: nothing,
    source: nothing,
    type: nothing,
    subject: nothing,
    contentType: nothing,
    dataSchema: nothing,
    partitionKey: nothing,
    time: undefined,
    extensions: noExtensions,
    bodyKind: bodyKinds.none,
    body: nothing,
  };
  const outer = new BinaryReader(element);
  outer.tag();
  const reader = new BinaryReader(outer.bytes());
  const time = { given: false, seconds: 0n, nanos: 0 };
  let extensions: Map<string, string> | undefined;
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    switch (field) {
      case 1:
        columns.id = reader.bytes();
        break;
      case 2:
        columns.source = reader.bytes();
        break;
      case 3:
        columns.type = reader.bytes();
        break;
      case 4:
        columns.subject = reader.bytes();
        break;
      case 5:
        readTime(reader.bytes(), time);
        break;
      case 6:
        columns.contentType = reader.bytes();
        break;
      case 7:
        columns.dataSchema = reader.bytes();
        break;
      case 8:
        columns.partitionKey = reader.bytes();
        break;
      case 9:
        extensions ??= new Map();
        extensions.set(...readEntry(reader.bytes()));
        break;
      case 10:
      case 11:
        columns.bodyKind = field === 10 ? bodyKinds.data : bodyKinds.text;
        columns.body = reader.bytes();
        break;
      default:
        reader.skip(wireType, field);
    }
  }
  if (time.given) columns.time = microsOf(time);
  if (extensions !== undefined) columns.extensions = Buffer.from(JSON.stringify(Object.fromEntries(extensions)));
  return columns;
}

interface Time {
  given: boolean;
  seconds: bigint;
  nanos: number;
}

/** A second occurrence is merged with the first. */
function readTime(bytes: Uint8Array, time: Time): void {
  time.given = true;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) time.seconds = BigInt(reader.int64());
    else if (field === 2) time.nanos = reader.int32();
    else reader.skip(wireType, field);
  }
}

function readEntry(bytes: Uint8Array): [string, string] {
  let [key, value] = ["", ""];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1) key = reader.string();
    else if (field === 2) value = reader.string();
    else reader.skip(wireType, field);
  }
  return [key, value];
}

/** Seconds from 1970 to 2000. */
const secondsTo2000 = 946_684_800n;
/** What PostgreSQL refuses, and does not take for infinity: no time of an event may be an error of ours. */
const outOfRange = 2n ** 63n - 2n;

function microsOf({ seconds, nanos }: Time): bigint {
  const micros = (seconds - secondsTo2000) * 1_000_000n + BigInt(Math.floor(nanos / 1_000));
  return BigInt.asIntN(64, micros) === micros ? micros : outOfRange;
}
