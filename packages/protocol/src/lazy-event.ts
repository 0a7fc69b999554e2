import { fromBinary } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Offset } from "./encoded-batch.ts";
import { isJson } from "./event.ts";
import { EventSchema, type Event } from "./gen/warren/v1/event_pb.ts";
import type { RecordedEvent } from "./recorded-event.ts";
import { must } from "./assert.ts";
import type { ReceivedBatch } from "./walker/read-batch.ts";
import { readText } from "./walker/utf8.ts";
import { WireReader } from "./walker/wire.ts";

/** Numbers of Event's fields. */
const fields = { id: 1, source: 2, type: 3, subject: 4, dataContentType: 6, dataSchema: 7, partitionKey: 8, data: 10, text: 11 } as const;
const lengthDelimited = 2;

const given = (value: string): string | undefined => (value === "" ? undefined : value);

/**
 * An event of a batch, on the bytes in which it came. What is asked for is decoded then, once: an event that is only counted or passed on costs next to
 * nothing. It keeps the bytes of its batch in memory.
 */
export class LazyEvent implements RecordedEvent {
  readonly #batch: ReceivedBatch;
  readonly #index: number;
  /** One field for all of it: most events are asked for little. */
  #made: Made | undefined;

  constructor(batch: ReceivedBatch, index: number) {
    this.#batch = batch;
    this.#index = index;
  }

  get offset(): Offset {
    return this.#batch.firstOffset + BigInt(this.#index);
  }

  get recordedAt(): Date {
    return this.#batch.recordedAt;
  }

  get id(): string {
    return this.#text(fields.id);
  }

  get source(): string {
    return this.#text(fields.source);
  }

  get type(): string {
    return this.#text(fields.type);
  }

  get subject(): string | undefined {
    return given(this.#text(fields.subject));
  }

  get dataContentType(): string | undefined {
    return given(this.#text(fields.dataContentType));
  }

  get dataSchema(): string | undefined {
    return given(this.#text(fields.dataSchema));
  }

  get partitionKey(): string | undefined {
    return given(this.#text(fields.partitionKey));
  }

  get time(): Date | undefined {
    const { time } = this.#decoded();
    return time === undefined ? undefined : timestampDate(time);
  }

  get extensions(): ReadonlyMap<string, string> {
    const made = (this.#made ??= {});
    made.extensions ??= new Map(Object.entries(this.#decoded().extensions));
    return made.extensions;
  }

  get data(): unknown {
    const made = (this.#made ??= {});
    made.parsed ??= { data: this.#parse() };
    return made.parsed.data;
  }

  get bytes(): Uint8Array {
    const found = this.#find(fields.data, fields.text);
    if (found === undefined) return new Uint8Array();
    const { memory, bytes } = this.#batch;
    // Not `bytes.subarray`: that asks `bytes` for its memory, each time.
    return new Uint8Array(memory, bytes.byteOffset + found.from, found.to - found.from);
  }

  /** For logs; the offset as text. */
  toJSON(): Record<string, unknown> {
    return { ...this.#plain(), offset: String(this.offset), extensions: Object.fromEntries(this.extensions) };
  }

  /** What `console.log` shows. */
  [Symbol.for("nodejs.util.inspect.custom")](): Record<string, unknown> {
    return { ...this.#plain(), offset: this.offset, extensions: this.extensions };
  }

  #plain(): Record<string, unknown> {
    const { recordedAt, id, source, type, subject, time, dataContentType, dataSchema, partitionKey, data } = this;
    return { offset: undefined, recordedAt, id, source, type, subject, time, dataContentType, dataSchema, partitionKey, data };
  }

  #parse(): unknown {
    const found = this.#find(fields.data, fields.text);
    if (found === undefined) return undefined;
    const isText = found.field === fields.text;
    const json = isJson(this.#text(fields.dataContentType));
    if (!isText && !json) return this.bytes;
    const text = must(readText(this.#batch.bytes, found.from, found.to), "a broker sends no event whose text is not UTF-8");
    return json ? JSON.parse(text) : text;
  }

  #text(field: number): string {
    const made = (this.#made ??= {});
    const texts = (made.texts ??= []);
    const known = texts[field];
    if (known !== undefined) return known;
    const found = this.#find(field);
    const text =
      found === undefined ? "" : must(readText(this.#batch.bytes, found.from, found.to), "a broker sends no event whose text is not UTF-8");
    texts[field] = text;
    return text;
  }

  /** Time and extensions are messages of their own: the library knows them. */
  #decoded(): Event {
    const made = (this.#made ??= {});
    made.event ??= fromBinary(EventSchema, this.#batch.bytes.subarray(this.#start, this.#end));
    return made.event;
  }

  get #start(): number {
    return this.#batch.bounds[2 * this.#index] ?? 0;
  }

  get #end(): number {
    return this.#batch.bounds[2 * this.#index + 1] ?? 0;
  }

  /** Where the content of a field lies, or that of the other one: the last of them counts, as in a decoder. */
  #find(field: number, other = field): Found | undefined {
    const reader = new WireReader(this.#batch.bytes, this.#start, this.#end);
    let found: Found | undefined;
    while (!reader.done) {
      const tag = reader.tag();
      if (tag % 8 !== lengthDelimited) {
        if (tag < 0 || !reader.skip(tag % 8)) return found;
        continue;
      }
      const length = reader.length();
      if (length < 0) return found;
      const from = reader.position;
      reader.position += length;
      const number = tag >>> 3;
      if (number === field || number === other) found = { field: number, from, to: reader.position };
    }
    return found;
  }
}

/** What was decoded of an event. */
interface Made {
  texts?: (string | undefined)[];
  parsed?: { readonly data: unknown };
  event?: Event;
  extensions?: ReadonlyMap<string, string>;
}

interface Found {
  readonly field: number;
  readonly from: number;
  readonly to: number;
}
