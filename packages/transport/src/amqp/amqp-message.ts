import type { HeaderValue } from "@warren/protocol/amqp";
import type { ConsumeMessage, Options } from "amqplib";
import type { Delivery, OutgoingMessage } from "../transport.ts";

/** Copies a delivery out of amqplib: own keys only, so that a header named __proto__ is a header. */
export function toDelivery(message: ConsumeMessage): Delivery {
  const { fields, properties, content } = message;
  return {
    tag: fields.deliveryTag,
    exchange: fields.exchange,
    routingKey: fields.routingKey,
    redelivered: fields.redelivered,
    contentType: text(properties.contentType),
    messageId: text(properties.messageId),
    appId: text(properties.appId),
    contentEncoding: text(properties.contentEncoding),
    correlationId: text(properties.correlationId),
    replyTo: text(properties.replyTo),
    messageType: text(properties.type),
    timestamp: typeof properties.timestamp === "number" ? properties.timestamp : undefined,
    headers: toHeaders(properties.headers),
    body: content,
  };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

function toHeaders(table: unknown): ReadonlyMap<string, HeaderValue> {
  const headers = new Map<string, HeaderValue>();
  if (typeof table !== "object" || table === null) return headers;
  // amqplib builds tables by assignment: a field __proto__ becomes the prototype. It is read back as the field it was.
  const prototype: unknown = Object.getPrototypeOf(table);
  if (prototype !== null && prototype !== Object.prototype) headers.set("__proto__", toValue(prototype));
  for (const [name, value] of Object.entries(table)) headers.set(name, toValue(value));
  return headers;
}

function toValue(value: unknown): HeaderValue {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "number" || typeof value === "bigint" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(toValue);
  if (typeof value !== "object") return null;
  // amqplib gives timestamps and decimals as { "!": kind, value }.
  if ("!" in value && "value" in value) return toValue(value.value);
  return toHeaders(value);
}

/** Names that one table keeps before another is begun. */
const mostNames = 64;

/**
 * Headers of one publisher's messages, as amqplib takes them: one table for all, filled anew for each. amqplib makes it the prototype of a table of its own, and a
 * new prototype for each message costs more than writing the message. It is read before `publish` returns.
 */
export class HeaderTable {
  #table: Record<string, unknown> = {};
  #names = new Set<string>();

  /** Valid until the next call. */
  fill(headers: ReadonlyMap<string, HeaderValue>): Record<string, unknown> {
    if (headers.has("__proto__")) return toTable(headers);
    if (this.#names.size > mostNames) {
      this.#table = {};
      this.#names = new Set();
    }
    // What is undefined, amqplib leaves out.
    for (const name of this.#names) if (!headers.has(name)) this.#table[name] = undefined;
    for (const [name, value] of headers) {
      this.#names.add(name);
      this.#table[name] = fromValue(value);
    }
    return this.#table;
  }
}

/** Options of a message to publish: persistent and mandatory always. `seq` comes back with a returned message. Valid until `table` is filled again. */
export function toPublishOptions(message: OutgoingMessage, seq: number, table: HeaderTable): Options.Publish {
  const { contentType, messageId, appId, timestamp, cc, headers } = message;
  // What is undefined, amqplib leaves out.
  return {
    persistent: true,
    mandatory: true,
    correlationId: String(seq),
    headers: headers.size === 0 ? noHeaders : table.fill(headers),
    contentType,
    messageId,
    appId,
    timestamp,
    CC: cc === undefined || cc.length === 0 ? undefined : [...cc],
  } as Options.Publish;
}

const noHeaders = {};

/** Own keys only: a header may be called __proto__. */
function toTable(headers: ReadonlyMap<unknown, HeaderValue>): Record<string, unknown> {
  return Object.fromEntries([...headers].map(([name, value]) => [String(name), fromValue(value)]));
}

function fromValue(value: HeaderValue): unknown {
  return value instanceof Map ? toTable(value as ReadonlyMap<unknown, HeaderValue>) : value;
}
