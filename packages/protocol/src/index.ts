// Symbols above the line are for users of the SDK; those below are for other packages of Warren.
export { cutText } from "./cut-text.ts";
export { ErrorStatus, isWarrenError, WarrenError, type ErrorCode, type StatusName } from "./errors.ts";
export type { NewEvent } from "./event.ts";

export { assert, must, unreachable } from "./assert.ts";
export { backoffDelay } from "./backoff.ts";
export { decodedToSend, batchBytes, encodeBatch, type Codec } from "./encode-batch.ts";
export { lastOffsetOf, type EncodedBatch, type Offset } from "./encoded-batch.ts";
export { QuarantineReasons, type EventSlice, type QuarantinedEvent, type QuarantineReason } from "./event-slice.ts";
export { hasGreaterId, writeUuidV7 } from "./event-id.ts";
export { EventEncoder } from "./event-encoder.ts";
export { bodyOf, decodeEvent, encodeEvent, toEvent, toEventFields, type EventDefaults, type EventFields, type MadeId } from "./event.ts";
export { LazyEvent } from "./lazy-event.ts";
export { sizeOf } from "./pack-slice.ts";
export { recordedAtOf, StoredEvent, type RecordedEvent } from "./recorded-event.ts";
export { Limits, Times } from "./limits.ts";
export {
  addRange,
  countBelow,
  covers,
  raiseMark,
  rangeFrom,
  settle,
  type OffsetRange,
  type OffsetRanges,
  type Settled,
} from "./offset-ranges.ts";
export { silentLogger, systemClock, type Clock, type IdSource, type LogFields, type Logger, type Timer } from "./ports.ts";
export { TopicMatcher, topicMatches } from "./topic.ts";
export { UuidSource } from "./uuid-source.ts";
export { canonicalPatterns, checkConsumerName, checkPatterns } from "./validation.ts";
export { sameContent } from "./walker/same-content.ts";
export { readBatch, type ReceivedBatch } from "./walker/read-batch.ts";
export { eventEndsOf, eventTag, joinSlices } from "./walker/walk-batch.ts";
export { walkEvent, type WalkedEvent } from "./walker/walk-event.ts";
