import { isUtf8 } from "node:buffer";
import { uuidv7 } from "uuidv7";

/*
 * The events of the straight path: the bytes of Warren's, elements of a field of protobuf, one after another, each with an id that is the text of a UUID, a source, a
 * type, a time, a content type and its data. Lengths that may need two bytes have two always, which protobuf allows: an event is smaller than 16 KiB.
 */

/** Bytes of an id. */
export const idBytes = 16;
/** Before the content of an event: its tag and its length. */
const headBytes = 3;
const idText = 36;
/** Of the id in an event: first come the head, and the id's own tag and length. */
const idAt = headBytes + 2;
/** The digits of an id that count: its last twelve are a number of their own. */
const counting = 8;
const most = 2 ** 14 - 1;
const digits = Buffer.from("0123456789abcdef");

const tagOf = (field: number): number => field * 8 + 2;

/** Writes events of one source and type: what they share is written once, ahead of time. */
export class EventWriter {
  readonly #shared: Buffer;
  readonly #sharedLength: number;
  #payloadLength = -1;
  #count = 0;

  constructor(source: string, type: string) {
    const text = (field: number, value: string): Buffer => Buffer.from([tagOf(field), Buffer.byteLength(value), ...Buffer.from(value)]);
    // As UUIDs of version 7 they rise, and differ from those of another writer.
    const id = `${uuidv7().slice(0, -12)}${"0".repeat(12)}`;
    const seconds = [0x08, 0x80, 0x80, 0x80, 0x80, 0x06];
    const nanos = [0x10, 0x80, 0x80, 0x80, 0x80, 0x01];
    const time = Buffer.from([tagOf(5), seconds.length + nanos.length, ...seconds, ...nanos]);
    const attributes = [text(1, id), text(2, source), text(3, type), time, text(6, "application/octet-stream")];
    this.#shared = Buffer.concat([Buffer.from([tagOf(3), 0, 0]), ...attributes, Buffer.from([tagOf(10), 0, 0])]);
    this.#sharedLength = this.#shared.length;
  }

  /** Of the event that was written last. */
  get id(): string {
    return this.#shared.toString("latin1", idAt, idAt + idText);
  }

  /** Bytes of an event with a payload of that length. */
  size(payloadLength: number): number {
    return this.#sharedLength + payloadLength;
  }

  /** Writes one event, with an id of its own, where there is room; returns where it ends. */
  write(bytes: Buffer, at: number, payload: Buffer): number {
    const shared = this.#shared;
    if (payload.length !== this.#payloadLength) this.#resize(payload.length);
    this.#count += 1;
    for (let i = 0, rest = this.#count; i < counting; i += 1, rest >>>= 4) shared[idAt + idText - 1 - i] = digits[rest & 0xf] ?? 0;
    bytes.set(shared, at);
    bytes.set(payload, at + this.#sharedLength);
    return at + this.#sharedLength + payload.length;
  }

  #resize(length: number): void {
    this.#payloadLength = length;
    writeLength(this.#shared, 1, this.size(length) - headBytes);
    writeLength(this.#shared, this.#sharedLength - 2, length);
  }
}

/** Where the event at `at` ends. At least its head must be there. */
function endOfEvent(bytes: Uint8Array, at: number): number {
  return at + headBytes + lengthAt(bytes, at + 1);
}

/**
 * Checks events and takes their ids. Attributes that are, byte for byte, those of the event before are sound. Throws at what is not sound, or not as `EventWriter` writes it:
 * there is nobody here to keep it.
 */
export class EventChecker {
  /** Of the event before: what is between its id and the length of its data. */
  #like = new Uint8Array(0);

  /** Checks the event at `at`, which ends at `end` at the latest, and writes the 16 bytes that its id stands for. Returns where it ends. */
  check(bytes: Uint8Array, at: number, end: number, id: Uint8Array, to: number): number {
    const eventEnd = at + headBytes > end ? end + 1 : endOfEvent(bytes, at);
    if (eventEnd > end || bytes[at] !== tagOf(3) || bytes[at + headBytes] !== tagOf(1) || bytes[at + headBytes + 1] !== idText)
      throw unsound();
    copyId(bytes, at + idAt, id, to);
    const from = at + idAt + idText;
    if (!startsWith(bytes, from, this.#like) || this.#like.length === 0) this.#like = attributesAt(bytes, from, eventEnd);
    const dataAt = from + this.#like.length;
    if (dataAt + 2 + lengthAt(bytes, dataAt) !== eventEnd) throw unsound();
    return eventEnd;
  }
}

/** The one attribute that is no text. */
const time = 5;

/** A copy of source, type, time and content type, in this order, each with less than 128 bytes, and of the tag of the data. */
function attributesAt(bytes: Uint8Array, from: number, end: number): Uint8Array<ArrayBuffer> {
  let at = from;
  for (const field of [2, 3, time, 6]) {
    const length = bytes[at + 1] ?? 0;
    const value = bytes.subarray(at + 2, at + 2 + length);
    if (bytes[at] !== tagOf(field) || length === 0 || length > 127 || at + 2 + length > end) throw unsound();
    if (field !== time && !isUtf8(value)) throw unsound();
    at += 2 + length;
  }
  if (bytes[at] !== tagOf(10)) throw unsound();
  return Uint8Array.from(bytes.subarray(from, at + 1));
}

function startsWith(bytes: Uint8Array, at: number, start: Uint8Array): boolean {
  for (let i = 0; i < start.length; i += 1) if (bytes[at + i] !== start[i]) return false;
  return true;
}

function copyId(bytes: Uint8Array, at: number, target: Uint8Array, to: number): void {
  let from = at;
  let all = 0;
  for (let i = 0; i < idBytes; i += 1) {
    if (i === 4 || i === 6 || i === 8 || i === 10) {
      if (bytes[from] !== dash) throw unsound();
      from += 1;
    }
    const [high, low] = [values[bytes[from] ?? 0] ?? none, values[bytes[from + 1] ?? 0] ?? none];
    all |= high | low;
    target[to + i] = (high << 4) | low;
    from += 2;
  }
  if (all >= none) throw unsound();
}

const dash = 0x2d;
/** Of a byte that is no lower-case digit. */
const none = 16;
const values = Uint8Array.from({ length: 256 }, (_, byte) => (digits.includes(byte) ? digits.indexOf(byte) : none));

const unsound = (): Error => new Error("a publisher of the straight path has sent what is no event");

/** Reads frames, each the length of a segment in four bytes and then its events, in whatever pieces they come. */
export class FrameReader {
  readonly #take: (payload: Uint8Array) => void;
  /** Of the segment that is being read. */
  #left = 0;
  /** The beginning of an event, or of a frame. */
  #rest: Buffer = Buffer.alloc(0);

  constructor(take: (payload: Uint8Array) => void) {
    this.#take = take;
  }

  read(piece: Buffer): void {
    let at = 0;
    while (this.#rest.length > 0 && at < piece.length) {
      const from = at;
      at = Math.min(piece.length, at + this.#missing());
      // Only what two pieces share is copied.
      const joined = Buffer.concat([this.#rest, piece.subarray(from, at)]);
      this.#rest = joined.subarray(this.#walk(joined, 0));
    }
    at = this.#walk(piece, at);
    if (at < piece.length) this.#rest = piece.subarray(at);
  }

  /** How many bytes to add to the rest, for it to be whole or for its length to be known. */
  #missing(): number {
    const have = this.#rest.length;
    if (this.#left === 0) return frameHeadBytes - have;
    return (have < headBytes ? headBytes : endOfEvent(this.#rest, 0)) - have;
  }

  /** Takes what is whole; returns where that ends. */
  #walk(bytes: Buffer, from: number): number {
    const { length } = bytes;
    for (let at = from; ;) {
      if (this.#left === 0) {
        if (at + frameHeadBytes > length) return at;
        this.#left = bytes.readUInt32BE(at);
        at += frameHeadBytes;
        continue;
      }
      if (at + headBytes > length) return at;
      const end = endOfEvent(bytes, at);
      if (end > length) return at;
      this.#take(payloadOf(bytes, at));
      this.#left -= end - at;
      at = end;
    }
  }
}

/** Before the events of a segment. */
export const frameHeadBytes = 4;

function payloadOf(bytes: Buffer, event: number): Uint8Array {
  let at = event + idAt + idText;
  // Source, type, time and content type.
  for (let field = 0; field < 4; field += 1) at += 2 + (bytes[at + 1] ?? 0);
  return new Uint8Array(bytes.buffer, bytes.byteOffset + at + headBytes, lengthAt(bytes, at + 1));
}

function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) & 0x7f) | ((bytes[at + 1] ?? 0) << 7);
}

function writeLength(bytes: Buffer, at: number, length: number): void {
  if (length > most) throw new Error(`an event of the straight path has at most ${most} bytes`);
  bytes[at] = (length & 0x7f) | 0x80;
  bytes[at + 1] = length >> 7;
}
