/** A value of an AMQP header, copied out of the client library: own keys only, tables as maps. */
export type HeaderValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Date
  | readonly HeaderValue[]
  | ReadonlyMap<string, HeaderValue>;

/** Properties of an AMQP message that Warren reads or writes. */
export interface MessageProperties {
  readonly contentType?: string | undefined;
  readonly messageId?: string | undefined;
  readonly appId?: string | undefined;
  /** Seconds since 1970, as AMQP has it. */
  readonly timestamp?: number | undefined;
  readonly headers: ReadonlyMap<string, HeaderValue>;
}

/** What a receiver reads of an AMQP message. */
export interface AmqpMessage extends MessageProperties {
  readonly contentEncoding?: string | undefined;
  readonly correlationId?: string | undefined;
  readonly replyTo?: string | undefined;
  /** The AMQP property of that name; not an event's type. */
  readonly messageType?: string | undefined;
  readonly routingKey: string;
  readonly body: Uint8Array;
}
