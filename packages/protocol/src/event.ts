import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Timestamp } from "@bufbuild/protobuf/wkt";
import { WarrenError } from "./errors.ts";
import type { EventSlice } from "./event-slice.ts";
import { EventSchema, PackSchema, type Event } from "./gen/warren/v1/event_pb.ts";
import { checkEventToPublish } from "./validation.ts";
import { walkEvent } from "./walker/walk-event.ts";
import { WireReader } from "./walker/wire.ts";

/** An event before it is stored, as an application gives it. */
export interface NewEvent {
  /** What kind: the routing key, for example "order.created". */
  readonly type: string;
  /** Who says so, for example "/shop/orders". */
  readonly source: string;
  /** Bytes are sent as they are; text as text/plain; anything else as application/json. */
  readonly data?: unknown;
  /** Default: a new UUIDv7. Give your own to publish again safely. */
  readonly id?: string | undefined;
  readonly subject?: string | undefined;
  /** Default: now. */
  readonly time?: Date | undefined;
  readonly dataContentType?: string | undefined;
  readonly dataSchema?: string | undefined;
  readonly partitionKey?: string | undefined;
  readonly extensions?: Readonly<Record<string, string>> | undefined;
}

/** Whether a content type is JSON's, or of a format written in it. */
export const isJson = (contentType: string): boolean => /^[^;]*[/+]json\s*(;|$)/i.test(contentType);

/** The fields of an event, without what the library adds to a message: that costs more than it gives where an event is only written. */
export type EventFields = Readonly<Omit<Event, "$typeName" | "$unknown" | "time">> & {
  readonly time?: Pick<Timestamp, "seconds" | "nanos" | "$unknown"> | undefined;
  readonly $unknown?: Event["$unknown"];
};

/** An id that was made, and its bytes, ASCII. Another may stand there later. */
export interface MadeId {
  readonly text: string;
  readonly ascii: Uint8Array;
}

/** What an event gets that its application did not give. */
export interface EventDefaults {
  readonly id: string;
  /** Its bytes are copied where it is the id of the event: that is faster than to write a text. */
  readonly made?: MadeId | undefined;
  /** Its time, in milliseconds since 1970. */
  readonly now: number;
}

/** What an application publishes, as a message: see `toEventFields`. */
export function toEvent(event: NewEvent, { id, now }: { readonly id: string; readonly now: Date }): Event {
  return create(EventSchema, toEventFields(event, { id, now: now.getTime() }));
}

/** What an application publishes: defaults filled in. Throws EVENT_INVALID for data or a time that cannot be written; `encodeEvent` checks the rest. */
export function toEventFields(
  event: NewEvent,
  defaults: EventDefaults,
  body: string | Uint8Array | undefined = bodyOf(event),
): EventFields {
  return {
    id: event.id ?? defaults.id,
    source: event.source,
    type: event.type,
    subject: event.subject ?? "",
    time: toTimestamp(event.time?.getTime() ?? defaults.now),
    dataContentType: contentTypeOf(event),
    dataSchema: event.dataSchema ?? "",
    partitionKey: event.partitionKey ?? "",
    extensions: event.extensions === undefined ? noExtensions : { ...event.extensions },
    body: toBody(body),
  };
}

const noExtensions: Readonly<Record<string, string>> = Object.freeze({});

/** The data as it is sent. Throws EVENT_INVALID for what cannot be written as JSON. */
export function bodyOf({ data, dataContentType }: NewEvent): string | Uint8Array | undefined {
  if (data === undefined || data instanceof Uint8Array) return data;
  return typeof data === "string" && !isJson(dataContentType ?? "") ? data : toJsonText(data);
}

/** Its own, or that of its data. */
export const contentTypeOf = ({ data, dataContentType }: NewEvent): string => dataContentType ?? contentTypeOfData(data);

function contentTypeOfData(data: unknown): string {
  if (data === undefined) return "";
  if (data instanceof Uint8Array) return "application/octet-stream";
  return typeof data === "string" ? "text/plain" : "application/json";
}

function toBody(body: string | Uint8Array | undefined): Event["body"] {
  if (body === undefined) return { case: undefined };
  return typeof body === "string" ? { case: "text", value: body } : { case: "data", value: body };
}

function toJsonText(data: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    throw new WarrenError("EVENT_INVALID", "data cannot be written as JSON; give text or bytes instead", { cause: error });
  }
  if (text === undefined) throw new WarrenError("EVENT_INVALID", `data cannot be written as JSON: it is a ${typeof data}`);
  return text;
}

function toTimestamp(ms: number): Pick<Timestamp, "seconds" | "nanos"> {
  if (Number.isNaN(ms)) throw new WarrenError("EVENT_INVALID", "time is not a valid date");
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/**
 * Encodes and checks an event to be published. Throws EVENT_INVALID or TOO_LARGE. What it gives passes `walkEvent`: no receiver will set aside
 * what a publisher was allowed to send.
 */
export function encodeEvent(event: EventFields): EventSlice {
  checkEventToPublish(event);
  const bytes = toBinary(PackSchema, create(PackSchema, { events: [event] }));
  const content = new WireReader(bytes, 1);
  content.length();
  const walked = walkEvent(bytes, content.position);
  if (walked.kind === "rejected") {
    const hint = walked.reason === "too_large" ? "; store the data elsewhere and send its address" : "";
    throw new WarrenError(
      walked.reason === "too_large" ? "TOO_LARGE" : "EVENT_INVALID",
      `event ${JSON.stringify(event.id)}: ${walked.detail}${hint}`,
    );
  }
  return { bytes, id: event.id, source: event.source, type: event.type, deduplicated: true };
}

/** Decodes one element of `EventBatch.events` that passed the walk. */
export function decodeEvent(bytes: Uint8Array): Event {
  const [event] = fromBinary(PackSchema, bytes).events;
  return event ?? create(EventSchema);
}
