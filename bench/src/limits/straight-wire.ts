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
export function endOfEvent(bytes: Uint8Array, at: number): number {
  return at + headBytes + lengthAt(bytes, at + 1);
}

/** Copies the id of the event at `at`, as the 16 bytes that its text stands for. */
export function copyId(bytes: Uint8Array, at: number, target: Uint8Array, to: number): void {
  let from = at + idAt;
  for (let i = 0; i < idBytes; i += 1) {
    if (i === 4 || i === 6 || i === 8 || i === 10) from += 1;
    target[to + i] = (valueOf(bytes[from]) << 4) | valueOf(bytes[from + 1]);
    from += 2;
  }
}

/** Of a lower-case digit. */
const valueOf = (digit = 0): number => (digit & 0xf) + (digit >> 6) * 9;

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
