// Symbols above the line are for users of the SDK; those below are for other packages of Warren.
export { ErrorStatus, isWarrenError, WarrenError, type ErrorCode, type StatusName } from "./errors.ts";

export { assert, must, unreachable } from "./assert.ts";
export { lastOffsetOf, type EncodedBatch, type Offset } from "./encoded-batch.ts";
export { QuarantineReasons, type EventSlice, type QuarantinedEvent, type QuarantineReason } from "./event-slice.ts";
export { Limits, Times } from "./limits.ts";
export { silentLogger, systemClock, type Clock, type IdSource, type LogFields, type Logger, type Timer } from "./ports.ts";
