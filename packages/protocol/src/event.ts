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

/** What an application publishes, as a message: see `toEventFields`. */
export function toEvent(event: NewEvent, defaults: { readonly id: string; readonly now: Date }): Event {
  return create(EventSchema, toEventFields(event, defaults));
}

/** What an application publishes: defaults filled in. Throws EVENT_INVALID for data or a time that cannot be written; `encodeEvent` checks the rest. */
export function toEventFields(event: NewEvent, defaults: { readonly id: string; readonly now: Date }): EventFields {
  const body = bodyOf(event);
  return {
    id: event.id ?? defaults.id,
    source: event.source,
    type: event.type,
    subject: event.subject ?? "",
    time: toTimestamp(event.time ?? defaults.now),
    dataContentType: event.dataContentType ?? body.contentType,
    dataSchema: event.dataSchema ?? "",
    partitionKey: event.partitionKey ?? "",
    extensions: event.extensions === undefined ? noExtensions : { ...event.extensions },
    body: body.body,
  };
}

const noExtensions: Readonly<Record<string, string>> = Object.freeze({});

function bodyOf({ data, dataContentType }: NewEvent): { readonly contentType: string; readonly body: Event["body"] } {
  if (data === undefined) return { contentType: "", body: { case: undefined } };
  if (data instanceof Uint8Array) return { contentType: "application/octet-stream", body: { case: "data", value: data } };
  if (typeof data === "string" && !isJson(dataContentType ?? "")) return { contentType: "text/plain", body: { case: "text", value: data } };
  return { contentType: "application/json", body: { case: "text", value: toJsonText(data) } };
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

function toTimestamp(time: Date): Pick<Timestamp, "seconds" | "nanos"> {
  const ms = time.getTime();
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
