export type { AmqpMessage, HeaderValue, MessageProperties } from "./message.ts";
