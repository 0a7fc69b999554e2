import { must } from "../assert.ts";
import { Limits } from "../limits.ts";
import type { QuarantineReason } from "../event-slice.ts";
import { endOfIdAlike, type Model } from "./alike.ts";
import { isPlain, isText, isUtf8, readText } from "./utf8.ts";
import { WireReader } from "./wire.ts";

/** Why no log can take an event, with what could be read of it until then. */
export interface RejectedEvent {
  readonly kind: "rejected";
  readonly reason: QuarantineReason;
  readonly detail: string;
  readonly id: string | undefined;
  readonly source: string | undefined;
  readonly type: string | undefined;
}

/** What a walk found: an event that decodes, or why no log can take it. */
export type WalkedEvent = { readonly kind: "event"; readonly id: string; readonly source: string; readonly type: string } | RejectedEvent;

/** Names of Event's fields by number. */
const fieldNames = [
  "",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "data_content_type",
  "data_schema",
  "partition_key",
  "extensions",
  "data",
  "text",
];
const lengthDelimited = 2;

class Rejected extends Error {
  override readonly name = "Rejected";
  readonly reason: QuarantineReason;

  constructor(reason: QuarantineReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** `EventWalker` for a single event. `start` and `end` say where it lies in `bytes`; default: all of it. */
export function walkEvent(bytes: Uint8Array, start = 0, end = bytes.length): WalkedEvent {
  const walker = new EventWalker(bytes);
  return walker.walk(start, end) ?? { kind: "event", id: walker.id, source: walker.source, type: walker.type };
}

/** Of the event before: most come in runs, and need no text of their own. Both passed the walk. */
let lastSource = "";
let lastType = "";

function given(text: string): string | undefined {
  return text === "" ? undefined : text;
}

/**
 * W12: walks the bytes of one Event once: tags, lengths, UTF-8, required attributes, limits; and no NUL outside the body, which PostgreSQL's text
 * does not take. What passes decodes, to the same id, source and type. Unknown fields are kept when they are well-formed; groups are not taken.
 * Builds nothing but the texts of source and type, and those only when they are others than before. Never throws for bad bytes.
 *
 * For one event after another of the same bytes; what it says is of the last one.
 */
export class EventWalker {
  /** Where the text of the id lies; nowhere (both are the same) when there is none. */
  idFrom = 0;
  idTo = 0;
  source = "";
  type = "";
  readonly #reader: WireReader;
  #view: DataView | undefined;
  #extensions = 0;
  #extensionBytes = 0;
  /** The last body that was met: where its length lies, where it ends, whether it is text. */
  #bodyLengthAt = 0;
  #bodyTo = 0;
  #isText = false;
  /** The last that passed and can be one. */
  #model: Model | undefined;

  constructor(bytes: Uint8Array) {
    this.#reader = new WireReader(bytes);
  }

  get bytes(): Uint8Array {
    return this.#reader.bytes;
  }

  /** The same bytes; made when it is first asked for, which for a single event is never. */
  get view(): DataView {
    const { bytes } = this;
    this.#view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return this.#view;
  }

  get id(): string {
    return must(readText(this.bytes, this.idFrom, this.idTo), "an id is kept when it is text");
  }

  /** Undefined: the event that lies there decodes. */
  walk(start: number, end: number): RejectedEvent | undefined {
    if (this.#isAlike(start, end)) return undefined;
    this.#reader.position = start;
    this.#reader.end = end;
    this.idFrom = 0;
    this.idTo = 0;
    this.source = "";
    this.type = "";
    this.#extensions = 0;
    this.#extensionBytes = 0;
    this.#bodyTo = 0;
    try {
      this.#run();
    } catch (error) {
      if (!(error instanceof Rejected)) throw error;
      const { id, source, type } = this;
      return { kind: "rejected", reason: error.reason, detail: error.message, id: given(id), source: given(source), type: given(type) };
    }
    lastSource = this.source;
    lastType = this.type;
    if (this.idFrom === start + 2 && this.#bodyTo === end) {
      const { idTo, source, type } = this;
      this.#model = { from: idTo, size: this.#bodyLengthAt - idTo, text: this.#isText, source, type };
    }
    return undefined;
  }

  /** Whether the event is like one that passed; then it passes too. */
  #isAlike(start: number, end: number): boolean {
    if (this.#model === undefined) return false;
    const idTo = endOfIdAlike(this.#reader, this.view, this.#model, start, end);
    if (idTo === 0) return false;
    this.idFrom = start + 2;
    this.idTo = idTo;
    this.source = this.#model.source;
    this.type = this.#model.type;
    return true;
  }

  #run(): void {
    const reader = this.#reader;
    const size = reader.end - reader.position;
    if (size > Limits.eventBytes) throw new Rejected("too_large", `event of ${size} bytes; at most ${Limits.eventBytes} are stored`);
    while (!reader.done) this.#field(tagOf(reader));
    if (this.#extensions > Limits.extensionCount || this.#extensionBytes > Limits.extensionBytes) {
      const limit = `at most ${Limits.extensionCount} of ${Limits.extensionBytes} bytes are stored`;
      throw new Rejected("too_large", `${this.#extensions} extensions of ${this.#extensionBytes} bytes; ${limit}`);
    }
    if (this.idFrom === this.idTo) throw new Rejected("missing_attribute", "id is empty or missing");
    if (this.source === "") throw new Rejected("missing_attribute", "source is empty or missing");
    if (this.type === "") throw new Rejected("missing_attribute", "type is empty or missing");
  }

  #field(tag: number): void {
    const reader = this.#reader;
    const field = tag >>> 3;
    const name = fieldNames[field];
    if (name === undefined) {
      if (!reader.skip(tag & 7)) throw new Rejected("malformed", `unknown field ${field} is cut off or of a wire type that is not taken`);
      return;
    }
    const lengthAt = reader.position;
    const from = contentOf(reader, tag, name);
    const to = reader.position;
    switch (field) {
      case 1:
        checkAttribute(reader.bytes, from, to, name, Limits.attributeBytes);
        this.idFrom = from;
        this.idTo = to;
        break;
      case 2:
        this.source = isText(reader.bytes, from, to, lastSource) ? lastSource : readAttribute(reader.bytes, from, to, name);
        break;
      case 3:
        this.type = isText(reader.bytes, from, to, lastType) ? lastType : readAttribute(reader.bytes, from, to, name);
        break;
      case 5:
        this.#within(from, walkTimestamp);
        break;
      case 9:
        this.#extensions += 1;
        this.#extensionBytes += this.#within(from, walkExtension);
        break;
      case 10:
      case 11:
        this.#isText = field === 11;
        if (this.#isText && !isUtf8(reader.bytes, from, to)) throw new Rejected("bad_text", "text is not valid UTF-8");
        this.#bodyLengthAt = lengthAt;
        this.#bodyTo = to;
        break;
      default:
        checkAttribute(reader.bytes, from, to, name, Limits.attributeBytes);
    }
  }

  /** Walks a message that ends where the reader is. */
  #within<T>(from: number, walk: (reader: WireReader) => T): T {
    const reader = this.#reader;
    const { position, end } = reader;
    reader.position = from;
    reader.end = position;
    const found = walk(reader);
    reader.end = end;
    return found;
  }
}

function tagOf(reader: WireReader): number {
  const tag = reader.tag();
  if (tag < 0) throw new Rejected("malformed", "a tag is cut off or out of range");
  return tag;
}

/** Passes a length and its content; returns where the content begins. */
function contentOf(reader: WireReader, tag: number, name: string): number {
  if ((tag & 7) !== lengthDelimited) throw new Rejected("malformed", `field ${name} has wire type ${tag & 7}`);
  const length = reader.length();
  if (length < 0) throw new Rejected("malformed", `field ${name} is cut off`);
  const from = reader.position;
  reader.position += length;
  return from;
}

function readAttribute(bytes: Uint8Array, from: number, to: number, name: string): string {
  checkBounds(bytes, from, to, name, Limits.attributeBytes);
  const text = readText(bytes, from, to);
  if (text === undefined) throw new Rejected("bad_text", `${name} is not valid UTF-8`);
  return text;
}

function checkAttribute(bytes: Uint8Array, from: number, to: number, name: string, limit: number): void {
  if (to - from <= limit && isPlain(bytes, from, to)) return;
  checkBounds(bytes, from, to, name, limit);
  if (!isUtf8(bytes, from, to)) throw new Rejected("bad_text", `${name} is not valid UTF-8`);
}

/** Size, and no NUL. */
function checkBounds(bytes: Uint8Array, from: number, to: number, name: string, limit: number): void {
  if (to - from > limit) throw new Rejected("too_large", `${name} has ${to - from} bytes; at most ${limit} are stored`);
  for (let i = from; i < to; i += 1) {
    if (bytes[i] === 0) throw new Rejected("bad_text", `${name} has a NUL character`);
  }
}

function walkTimestamp(reader: WireReader): void {
  while (!reader.done) {
    const tag = tagOf(reader);
    const field = tag >>> 3;
    if (field === 1 || field === 2) {
      const value = (tag & 7) === 0 ? reader.signed() : undefined;
      if (value === undefined) throw new Rejected("malformed", "field time is malformed");
      // Years 1 to 9999, as google.protobuf.Timestamp has it: JSON cannot say more.
      const sane = field === 1 ? value >= -62_135_596_800 && value <= 253_402_300_799 : value >= 0 && value <= 999_999_999;
      if (!sane) throw new Rejected("malformed", `time is out of range: ${value}`);
    } else if (!reader.skip(tag & 7)) {
      throw new Rejected("malformed", "field time is malformed");
    }
  }
}

/** Returns the bytes of key and value. */
function walkExtension(reader: WireReader): number {
  let bytes = 0;
  while (!reader.done) {
    const tag = tagOf(reader);
    const field = tag >>> 3;
    if (field === 1 || field === 2) {
      const from = contentOf(reader, tag, "extensions");
      const name = field === 1 ? "the name of an extension" : "the value of an extension";
      checkAttribute(reader.bytes, from, reader.position, name, Limits.extensionBytes);
      bytes += reader.position - from;
    } else if (!reader.skip(tag & 7)) {
      throw new Rejected("malformed", "an extension is malformed");
    }
  }
  return bytes;
}
