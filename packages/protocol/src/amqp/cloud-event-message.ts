import type { EventFields } from "../event.ts";
import { standardAttributes } from "../validation.ts";
import type { HeaderValue } from "./message.ts";

/** An event as one AMQP message in CloudEvents binary mode, for exchanges whose other readers do not know packs. */
export interface CloudEventMessage {
  readonly routingKey: string;
  readonly contentType: string | undefined;
  readonly messageId: string;
  readonly headers: ReadonlyMap<string, HeaderValue>;
  readonly body: Uint8Array;
}

const utf8 = new TextEncoder();
const slabBytes = 64 * 1024;
let slab = new Uint8Array();
let used = 0;

/** Texts of small bodies lie side by side: memory of its own for each costs more than encoding it. */
function encodeText(text: string): Uint8Array {
  const most = 3 * text.length;
  if (most > slabBytes / 4) return utf8.encode(text);
  if (used + most > slab.length) {
    slab = new Uint8Array(slabBytes);
    used = 0;
  }
  const start = used;
  used += utf8.encodeInto(text, slab.subarray(start)).written;
  return slab.subarray(start, used);
}

/** Prefix of attributes in headers: that of the CloudEvents AMQP binding. */
export const attributePrefix = "cloudEvents:";

/** Names of headers, made once: joining and hashing texts for each message costs more than the rest. */
const names = {
  specversion: `${attributePrefix}specversion`,
  id: `${attributePrefix}id`,
  source: `${attributePrefix}source`,
  type: `${attributePrefix}type`,
  subject: `${attributePrefix}subject`,
  time: `${attributePrefix}time`,
  dataschema: `${attributePrefix}dataschema`,
  partitionkey: `${attributePrefix}partitionkey`,
} as const;

/**
 * Writes one event in CloudEvents binary mode: attributes as headers, the body as it is. A foreign header that is called like a standard attribute
 * and was kept as an extension goes without the prefix, as it came. `time` is written to the millisecond.
 */
export function toCloudEventMessage(event: EventFields): CloudEventMessage {
  const headers = new Map<string, HeaderValue>();
  headers.set(names.specversion, "1.0");
  if (event.id !== "") headers.set(names.id, event.id);
  if (event.source !== "") headers.set(names.source, event.source);
  if (event.type !== "") headers.set(names.type, event.type);
  if (event.subject !== "") headers.set(names.subject, event.subject);
  if (event.time !== undefined)
    headers.set(names.time, new Date(Number(event.time.seconds) * 1000 + Math.round(event.time.nanos / 1_000_000)).toISOString());
  if (event.dataSchema !== "") headers.set(names.dataschema, event.dataSchema);
  if (event.partitionKey !== "") headers.set(names.partitionkey, event.partitionKey);
  for (const [name, value] of Object.entries(event.extensions))
    headers.set(standardAttributes.has(name.toLowerCase()) ? name : attributePrefix + name, value);
  const { body } = event;
  const bytes = body.case === "data" ? body.value : encodeText(body.case === "text" ? body.value : "");
  const contentType = event.dataContentType === "" ? undefined : event.dataContentType;
  return { routingKey: event.type, contentType, messageId: event.id, headers, body: bytes };
}
