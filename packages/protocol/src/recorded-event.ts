import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Offset } from "./encoded-batch.ts";
import { isJson } from "./event.ts";
import type { Event, EventBatch } from "./gen/warren/v1/event_pb.ts";

/** An event of a receiver's log, or of the archive. */
export interface RecordedEvent {
  readonly offset: Offset;
  readonly recordedAt: Date;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly time: Date | undefined;
  readonly dataContentType: string | undefined;
  readonly dataSchema: string | undefined;
  readonly partitionKey: string | undefined;
  readonly extensions: ReadonlyMap<string, string>;
  /** The payload: parsed when its content type is JSON (a parse error throws here), text when it was sent as text, else bytes. */
  readonly data: unknown;
  /** The payload's bytes. */
  readonly bytes: Uint8Array;
}

const utf8 = new TextEncoder();
const given = (value: string): string | undefined => (value === "" ? undefined : value);

/** An event with its place, on the message it came in. What costs more than a field is made when it is asked for, once. */
export class StoredEvent implements RecordedEvent {
  readonly offset: Offset;
  readonly recordedAt: Date;
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  readonly dataContentType: string | undefined;
  readonly dataSchema: string | undefined;
  readonly partitionKey: string | undefined;
  readonly #event: Event;
  #parsed: { readonly data: unknown } | undefined;
  #extensions: ReadonlyMap<string, string> | undefined;

  constructor(event: Event, offset: Offset, recordedAt: Date) {
    this.offset = offset;
    this.recordedAt = recordedAt;
    this.id = event.id;
    this.source = event.source;
    this.type = event.type;
    this.subject = given(event.subject);
    this.dataContentType = given(event.dataContentType);
    this.dataSchema = given(event.dataSchema);
    this.partitionKey = given(event.partitionKey);
    this.#event = event;
  }

  get time(): Date | undefined {
    const { time } = this.#event;
    return time === undefined ? undefined : timestampDate(time);
  }

  get extensions(): ReadonlyMap<string, string> {
    this.#extensions ??= new Map(Object.entries(this.#event.extensions));
    return this.#extensions;
  }

  get data(): unknown {
    this.#parsed ??= { data: dataOf(this.#event) };
    return this.#parsed.data;
  }

  get bytes(): Uint8Array {
    const { body } = this.#event;
    if (body.case === "data") return body.value;
    return body.case === "text" ? utf8.encode(body.value) : new Uint8Array();
  }
}

/** When the log stored the events of a batch. */
export function recordedAtOf({ recordedAt }: EventBatch): Date {
  return recordedAt === undefined ? new Date(0) : timestampDate(recordedAt);
}

function dataOf(event: Event): unknown {
  const { body } = event;
  if (body.case === undefined) return undefined;
  if (!isJson(event.dataContentType)) return body.value;
  return JSON.parse(body.case === "text" ? body.value : new TextDecoder().decode(body.value));
}
