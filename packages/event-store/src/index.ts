export type {
  AppendRequest,
  AppendResult,
  CallOptions,
  Claim,
  EventLog,
  KnownEvent,
  LogGap,
  MissedGap,
  PrunedGap,
  QuarantineRow,
  ReadRequest,
  ReadResult,
} from "./event-log.ts";
