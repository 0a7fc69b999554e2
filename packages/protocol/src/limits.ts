/**
 * Every limit and time-out of Warren, in one place. Sizes in bytes, times in milliseconds.
 * `limits.test.ts` asserts the order that the times must have among themselves.
 */
export const Limits = {
  /** An event, encoded. */
  eventBytes: 1024 * 1024,
  /** All extensions of one event, keys and values. */
  extensionBytes: 16 * 1024,
  extensionCount: 64,
  /** The name of an extension that *we* publish. */
  extensionNameBytes: 200,
  /** Id, source, subject, schema, content type, partition key: each. Source and id are also limited by AMQP's 255-byte short strings where they become one. */
  attributeBytes: 4 * 1024,
  /** An event type that *we* publish; it is the routing key. What arrives may be any AMQP routing key. */
  typeBytes: 200,
  typeWords: 16,
  /** A consumer name. */
  nameBytes: 200,
  patternBytes: 200,
  patternWords: 16,
  /** `#` in one pattern: RabbitMQ's matching time grows by a factor of ten with each. */
  patternHashes: 2,
  patternsPerConfig: 32,
  /** A pack: whichever comes first. */
  packBytes: 64 * 1024,
  packEvents: 200,
  /** Distinct types in a pack beside the routing key's own: they travel in the CC header. */
  packCcTypes: 16,
  /** An EventBatch on the stream: max(this, one event). Far more is dearer for whoever reads it: it outgrows the caches of a core before it is read. */
  batchBytes: 320 * 1024,
  /** Events of one segment, unless a single AMQP message holds more. */
  segmentEvents: 2_500,
  /** Bytes of one segment, unless a single AMQP message holds more. */
  segmentBytes: 1024 * 1024,
  /** A message body that a receiver keeps; a larger one goes to quarantine without its bytes. */
  messageBytes: 16 * 1024 * 1024,
  /** Shown of an event in quarantine. */
  quarantineShownBytes: 64 * 1024,
  /** Requests to the broker and the archiver. */
  requestBytes: 4 * 1024 * 1024,
  publishEvents: 1000,
  /** Messages RabbitMQ may send ahead of our acks. Quorum queues take at most 2 000. */
  prefetch: 500,
  /** One chunk read from a log for one consumer, which holds at most two: one is read while the other is sent. */
  chunkEvents: 4_000,
  chunkBytes: 1024 * 1024,
  /** Delivered and not stored, over all receivers of a process. */
  unstoredBytes: 256 * 1024 * 1024,
  /** Newest segments in memory, over all receivers of a process. */
  tailBytes: 64 * 1024 * 1024,
  /** What a segment takes there besides its bytes: about what was measured for one of a single event, buffers and offsets included. */
  tailOverheadBytes: 1_024,
  /** One step of retention, and what it reads to find the keys that go. */
  pruneEvents: 5_000,
  pruneBytes: 8 * 1024 * 1024,
  maxInFlight: 10_000,
  defaultMaxInFlight: 1024,
  /** Bytes of events sent and not settled, per session. */
  maxInFlightBytes: 256 * 1024 * 1024,
  defaultMaxInFlightBytes: 16 * 1024 * 1024,
  /** By how many events two queues of one exchange may differ in their order: so much before its place a migrated consumer begins. */
  migrationMargin: 10_000,
  /** Ranges of one ack. */
  ackRanges: 1_000,
  /** Kept of the reason why an event is parked. */
  parkReasonBytes: 4_000,
  /** Kept of the reason why a consumer is paused. */
  pauseReasonBytes: 1_000,
  /** Side deliveries sent and not settled, per session. */
  sideDeliveries: 16,
  /** When at least half of so many last events were parked, the consumer is paused. */
  breakerWindow: 20,
  /** A frame that RabbitMQ may send: it is asked for 128 KiB. */
  amqpFrameBytes: 1024 * 1024,
  /** Connections to one app at a time, and of one address. */
  connections: 2_000,
  connectionsPerAddress: 200,
  /** Calls at a time in one HTTP/2 session. The SDK opens another session before. */
  sessionStreams: 100,
  subscriberSessionStreams: 50,
  /** Sent to a subscriber and not read by it, per stream: room for the largest frame. */
  subscriberWindowBytes: 2 * 1024 * 1024,
  /** On its way to a subscriber, per HTTP/2 session: room for a frame of each of a few streams, else the first of them leave nothing to the others. */
  subscriberSessionWindowBytes: 16 * 1024 * 1024,
  /** Headers of one request, and how many there may be. */
  requestHeaderBytes: 16 * 1024,
  requestHeaders: 64,
  /** Un-settled bytes of one publisher. */
  publisherBufferBytes: 16 * 1024 * 1024,
} as const;

/** Every time-out and period of Warren, in milliseconds. */
export const Times = {
  amqpHeartbeatMs: 5_000,
  amqpConnectMs: 4_000,
  publishConfirmMs: 15_000,
  databaseConnectMs: 3_000,
  databaseStatementMs: 5_000,
  databaseLockMs: 1_000,
  databaseIdleInTransactionMs: 5_000,
  /** A query without an answer for so long: its connection is destroyed. */
  databaseSocketMs: 10_000,
  /** Acks are saved so long after the first unsaved one. */
  offsetFlushMs: 100,
  /** How long acks may wait for others that travel with them, while nobody waits for them. Well below the time until they are saved. */
  ackDelayMs: 40,
  http2PingMs: 5_000,
  http2PingTimeoutMs: 5_000,
  heartbeatMs: 15_000,
  /** No frame for so long: a subscriber drops the stream and opens again. */
  subscriberWatchdogMs: 45_000,
  sessionMs: 60_000,
  /** The least and the most a session may ask for. */
  sessionMinMs: 1_000,
  sessionMaxMs: 86_400_000,
  /** After its session ended, a stream has so long to hand over what was written; then it is cut. */
  streamEndMs: 5_000,
  /** Between two take-overs of one name. */
  takeOverMs: 200,
  /** Before the place in time of a consumer that migrates without an event both logs hold. */
  migrationMarginMs: 600_000,
  /** Retention, expiry, retirement and the depth of queues are looked at so often. */
  upkeepMs: 20_000,
  /** That a receiver is used is saved so often; one that this broker took is not retired earlier. */
  receiverUsedMs: 3_600_000,
  /** A receiver without consumers is kept for so long. */
  retireAfterMs: 7 * 86_400_000,
  backoffMinMs: 100,
  backoffMaxMs: 10_000,
  drainMs: 10_000,
  /** Until a connection has said which HTTP it speaks; until it has begun its first call. */
  connectionPrefaceMs: 5_000,
  connectionFirstRequestMs: 10_000,
  /** An HTTP/2 session without a call is ended after this. */
  connectionIdleMs: 300_000,
  /** After this, give or take a tenth, an HTTP/2 session takes no new calls. */
  connectionMaxAgeMs: 3_600_000,
  /** The longest deadline a call may ask for. */
  callMaxMs: 86_400_000,
} as const;
