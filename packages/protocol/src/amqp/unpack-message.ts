import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { QuarantinedEvent } from "../event-slice.ts";
import { EventSchema, PackSchema, type Event } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import type { IdSource } from "../ports.ts";
import { walkEvent } from "../walker/walk-event.ts";
import { WireReader } from "../walker/wire.ts";
import { headerText, isNotAnAttribute } from "./header-text.ts";
import type { AmqpMessage } from "./message.ts";
import { packContentType, unpack, type Unpacked } from "./pack.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const prefixes = ["cloudEvents:", "cloudEvents_", "ce-"];
const textual = /^(text\/|[^;]*[/+]json\s*(;|$))/i;
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Any AMQP message as events. A pack is sliced; a CloudEvents message (binary mode; `cloudEvents:`, `cloudEvents_` or `ce-` headers) is one event;
 * so is any other: its type is the routing key, its source `/amqp/<app id>`, its headers extensions.
 *
 * W3: a foreign `message_id` is an id only with an `app_id`, or when it is a UUID; else we make one and mark the event `dedup=none`.
 * Never throws: what no log can take is `rejected`, with bytes and reason (W12).
 */
export function unpackMessage(message: AmqpMessage, deps: { readonly ids: IdSource }): Unpacked {
  if (message.body.length > Limits.messageBytes) {
    const detail = `message of ${message.body.length} bytes; at most ${Limits.messageBytes} are kept`;
    return { events: [], rejected: [{ reason: "too_large", detail, bytes: new Uint8Array(), type: message.routingKey }] };
  }
  if (message.contentType === packContentType) return unpack(message.body);
  const { event, deduplicated } = toSingleEvent(message, deps.ids);
  const bytes = toBinary(PackSchema, create(PackSchema, { events: [event] }));
  const reader = new WireReader(bytes, 1);
  reader.length();
  const walked = walkEvent(bytes, reader.position);
  if (walked.kind === "event") {
    return { events: [{ bytes, id: walked.id, source: walked.source, type: walked.type, deduplicated }], rejected: [] };
  }
  const { reason, detail } = walked;
  const rejected: QuarantinedEvent = { reason, detail, bytes: message.body, id: event.id, source: event.source, type: event.type };
  return { events: [], rejected: [rejected] };
}

function toSingleEvent(message: AmqpMessage, ids: IdSource): { readonly event: Event; readonly deduplicated: boolean } {
  const attributes = attributesOf(message);
  const extensions = new Map<string, string>();
  for (const [name, value] of attributes ?? message.headers) {
    if (attributes === undefined ? isNotAnAttribute(name) : standard.has(name)) continue;
    extensions.set(name, headerText(value));
  }
  const own = (name: string): string => headerText(attributes?.get(name) ?? "");
  const { messageId = "", appId = "" } = message;
  const trusted = own("id") !== "" || (messageId !== "" && (appId !== "" || uuid.test(messageId)));
  if (!trusted) {
    extensions.set("dedup", "none");
    if (messageId !== "") extensions.set("messageid", messageId);
  }
  const event = create(EventSchema, {
    id: trusted ? own("id") || messageId : ids.uuid(),
    source: own("source") || `/amqp/${appId || "unknown"}`,
    type: own("type") || message.routingKey || "unnamed",
    subject: own("subject"),
    dataContentType: message.contentType ?? "",
    dataSchema: own("dataschema"),
    partitionKey: own("partitionkey"),
    extensions: Object.fromEntries(extensions),
    body: bodyOf(message),
  });
  const time = timeOf(own("time"), message.timestamp);
  if (time !== undefined) event.time = time;
  return { event, deduplicated: trusted };
}

const standard = new Set(["specversion", "id", "source", "type", "subject", "time", "dataschema", "datacontenttype", "partitionkey"]);

/** CloudEvents attributes by their names without prefix; undefined when the message is not a CloudEvent. */
function attributesOf(message: AmqpMessage): ReadonlyMap<string, unknown> | undefined {
  const attributes = new Map<string, unknown>();
  for (const [header, value] of message.headers) {
    const prefix = prefixes.find((each) => header.startsWith(each));
    if (prefix !== undefined) attributes.set(header.slice(prefix.length).toLowerCase(), value);
  }
  return attributes.has("specversion") || (attributes.has("id") && attributes.has("source")) ? attributes : undefined;
}

function bodyOf({ body, contentType = "" }: AmqpMessage): Event["body"] {
  if (body.length === 0) return { case: undefined };
  if (!textual.test(contentType)) return { case: "data", value: body };
  try {
    return { case: "text", value: strict.decode(body) };
  } catch {
    // Said to be text and is not: kept as the bytes it is.
    return { case: "data", value: body };
  }
}

/** The event's time when it is one; a nonsense time is left out, the time of storing stays. */
function timeOf(text: string, seconds: number | undefined): Timestamp | undefined {
  const ms = text === "" ? (seconds ?? Number.NaN) * 1000 : Date.parse(text);
  const sane = Number.isFinite(ms) && ms > -62_135_596_800_000 && ms < 253_402_300_800_000;
  return sane ? timestampFromMs(ms) : undefined;
}
