import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { Event } from "../gen/warren/v1/event_pb.ts";
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

/** Prefix of attributes in headers: that of the CloudEvents AMQP binding. */
export const attributePrefix = "cloudEvents:";

/**
 * Writes one event in CloudEvents binary mode: attributes as headers, the body as it is. A foreign header that is called like a standard attribute
 * and was kept as an extension goes without the prefix, as it came. `time` is written to the millisecond.
 */
export function toCloudEventMessage(event: Event): CloudEventMessage {
  const headers = new Map<string, HeaderValue>();
  const set = (name: string, value: string): void => {
    if (value !== "") headers.set(attributePrefix + name, value);
  };
  set("specversion", "1.0");
  set("id", event.id);
  set("source", event.source);
  set("type", event.type);
  set("subject", event.subject);
  if (event.time !== undefined) set("time", timestampDate(event.time).toISOString());
  set("dataschema", event.dataSchema);
  set("partitionkey", event.partitionKey);
  for (const [name, value] of Object.entries(event.extensions))
    headers.set(standardAttributes.has(name.toLowerCase()) ? name : attributePrefix + name, value);
  const { body } = event;
  const bytes = body.case === "data" ? body.value : new TextEncoder().encode(body.case === "text" ? body.value : "");
  const contentType = event.dataContentType === "" ? undefined : event.dataContentType;
  return { routingKey: event.type, contentType, messageId: event.id, headers, body: bytes };
}
