export { halve, setAside, type Storable } from "./bisect.ts";
export type {
  AppendRequest,
  AppendResult,
  CallOptions,
  Claim,
  EventLog,
  KnownEvent,
  LogGap,
  LogSizes,
  MissedGap,
  PreparedEvents,
  PrunedGap,
  PruneRequest,
  PruneResult,
  QuarantineRow,
  ReadRequest,
  ReadResult,
  SegmentSize,
} from "./event-log.ts";
export { eventKey } from "./event-key.ts";
export { createPostgresEventLog, migrateEventLog } from "./postgres/postgres-event-log.ts";
