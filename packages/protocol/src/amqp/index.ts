export { attributePrefix, toCloudEventMessage, type CloudEventMessage } from "./cloud-event-message.ts";
export type { AmqpMessage, HeaderValue, MessageProperties } from "./message.ts";
export { packContentType, packOf, unpack, type PackedMessage, type Unpacked } from "./pack.ts";
export { unpackMessage } from "./unpack-message.ts";
