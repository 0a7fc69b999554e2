import { createHash } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import type { QuarantineReason } from "../event-slice.ts";
import { EventEncoder } from "../event-encoder.ts";
import type { EventFields } from "../event.ts";
import { PackSchema } from "../gen/warren/v1/event_pb.ts";
import { Limits } from "../limits.ts";
import type { IdSource } from "../ports.ts";
import { standardAttributes } from "../validation.ts";
import type { TopicMatcher } from "../topic.ts";
import { readText } from "../walker/utf8.ts";
import { walkEvent } from "../walker/walk-event.ts";
import { WireReader } from "../walker/wire.ts";
import { headerText, isNotAnAttribute } from "./header-text.ts";
import type { AmqpMessage, HeaderValue } from "./message.ts";
import { packContentType, unpack, type Unpacked } from "./pack.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const prefix = /^(?:cloudevents:|cloudevents_|ce-)/i;
const textual = /^(text\/|[^;]*[/+]json\s*(;|$))/i;
const dateTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i;

/** Neighbours share memory: what is stored together lies side by side. */
const encoder = new EventEncoder();

/**
 * Any AMQP message as events. A pack is sliced; a CloudEvents message (binary mode; `cloudEvents:`, `cloudEvents_` or `ce-` headers) is one event;
 * so is any other: its type is the routing key, its source `/amqp/<app id>`, its headers extensions, and so are the properties content encoding
 * (of a CloudEvent too), correlation id, reply-to and type, as `contentencoding`, `correlationid`, `replyto`, `messagetype`.
 *
 * W3: an id is taken only when we can tell whose it is: a CloudEvent's id with its source, a `message_id` with an `app_id`, or either when it is a
 * UUID; else we make one, mark the event `dedup=none` and keep theirs as extension `messageid`. Text that was not UTF-8 cannot be told from its
 * replacement character once the client library has decoded it: in the routing key and the id it is `bad_text`, in other headers it is kept.
 * With a `matcher`, events of a pack whose type does not match are left out; any other message came because it matched. Nothing is decompressed. Never throws: what no log can take is `rejected`, with bytes and reason (W12).
 */
export function unpackMessage(
  message: AmqpMessage,
  deps: { readonly ids: IdSource; readonly matcher?: TopicMatcher | undefined },
): Unpacked {
  if (message.body.length > Limits.messageBytes) {
    const digest = createHash("sha256").update(message.body).digest("hex");
    const detail = `message of ${message.body.length} bytes with SHA-256 ${digest}; at most ${Limits.messageBytes} are kept`;
    return { events: [], rejected: [{ reason: "too_large", detail, bytes: new Uint8Array(), type: message.routingKey }] };
  }
  if (message.contentType === packContentType) return unpack(message.body, deps.matcher);
  const { event, deduplicated } = toSingleEvent(message, deps.ids);
  if (event.id.includes("\uFFFD") || event.type.includes("\uFFFD"))
    return rejectWhole(message, event, "bad_text", "the id or the routing key is not valid UTF-8");
  const bytes = encoder.write(event) ?? toBinary(PackSchema, create(PackSchema, { events: [event] }));
  const reader = new WireReader(bytes, 1);
  reader.length();
  const walked = walkEvent(bytes, reader.position);
  if (walked.kind === "event") {
    return { events: [{ bytes, id: walked.id, source: walked.source, type: walked.type, deduplicated }], rejected: [] };
  }
  return rejectWhole(message, event, walked.reason, walked.detail);
}

function rejectWhole(message: AmqpMessage, { id, source, type }: EventFields, reason: QuarantineReason, detail: string): Unpacked {
  return { events: [], rejected: [{ reason, detail, bytes: message.body, id, source, type }] };
}

function toSingleEvent(message: AmqpMessage, ids: IdSource): { readonly event: EventFields; readonly deduplicated: boolean } {
  const { attributes, others } = splitHeaders(message.headers);
  const own = (name: string): string => headerText(attributes.get(name) ?? "");
  const { messageId = "", appId = "" } = message;
  const id = own("id") || messageId;
  const deduplicated = id !== "" && (appId !== "" || uuid.test(id) || (own("id") !== "" && own("source") !== ""));
  const extensions = new Map<string, string>();
  for (const [name, value] of propertiesOf(message, attributes.size > 0)) extensions.set(name, value);
  for (const [name, value] of others) extensions.set(name, headerText(value));
  for (const [name, value] of attributes) {
    if (!standardAttributes.has(name)) extensions.set(name, headerText(value));
  }
  if (!deduplicated) {
    extensions.set("dedup", "none");
    if (id !== "") extensions.set("messageid", id);
  }
  const contentType = message.contentType ?? own("datacontenttype");
  const event: EventFields = {
    id: deduplicated ? id : ids.uuid(),
    source: own("source") || `/amqp/${appId || "unknown"}`,
    type: own("type") || message.routingKey || "unnamed",
    subject: own("subject"),
    dataContentType: contentType,
    dataSchema: own("dataschema"),
    partitionKey: own("partitionkey"),
    extensions: Object.fromEntries(extensions),
    body: bodyOf(message.body, contentType),
    time: timeOf(own("time"), message.timestamp),
  };
  return { event, deduplicated };
}

type Headers = ReadonlyMap<string, HeaderValue>;

const none: Headers = new Map();

/** A CloudEvent's sender says what it means in attributes; its correlation id may be its client library's own. */
function* propertiesOf(message: AmqpMessage, isCloudEvent: boolean): Generator<readonly [string, string]> {
  const { contentEncoding, correlationId, replyTo, messageType } = message;
  if (contentEncoding !== undefined) yield ["contentencoding", contentEncoding];
  if (isCloudEvent) return;
  if (correlationId !== undefined) yield ["correlationid", correlationId];
  if (replyTo !== undefined) yield ["replyto", replyTo];
  if (messageType !== undefined) yield ["messagetype", messageType];
}

/**
 * CloudEvents attributes by their names without prefix (standard ones in lower case), and the other headers. Without `specversion`, or `id` and
 * `source`, a message is no CloudEvent, and all its headers are others.
 */
function splitHeaders(headers: Headers): { readonly attributes: Headers; readonly others: Headers } {
  if (headers.size === 0) return { attributes: none, others: none };
  const attributes = new Map<string, HeaderValue>();
  const others = new Map<string, HeaderValue>();
  for (const [header, value] of headers) {
    const name = header.replace(prefix, "");
    const lower = name.toLowerCase();
    if (name !== header && name !== "") attributes.set(standardAttributes.has(lower) ? lower : name, value);
    else if (!isNotAnAttribute(header)) others.set(header, value);
  }
  if (attributes.has("specversion") || (attributes.has("id") && attributes.has("source"))) return { attributes, others };
  return { attributes: none, others: new Map([...headers].filter(([name]) => !isNotAnAttribute(name))) };
}

function bodyOf(body: Uint8Array, contentType: string): EventFields["body"] {
  if (body.length === 0) return { case: undefined };
  // Said to be text and is not: kept as the bytes it is.
  const text = textual.test(contentType) ? readText(body) : undefined;
  return text === undefined ? { case: "data", value: body } : { case: "text", value: text };
}

/** The event's time when it is one; a nonsense time is left out, the time of storing stays. AMQP's timestamp has seconds and begins in 1970. */
function timeOf(text: string, seconds: number | undefined): Timestamp | undefined {
  const ms = text === "" ? positive(seconds) * 1000 : dateTime.test(text) ? Date.parse(text) : Number.NaN;
  return ms >= -62_135_596_800_000 && ms < 253_402_300_800_000 ? timestampFromMs(Math.floor(ms)) : undefined;
}

function positive(seconds: number | undefined): number {
  return seconds !== undefined && seconds > 0 ? seconds : Number.NaN;
}
