import { timestampMs, type Timestamp } from "@bufbuild/protobuf/wkt";
import { checkConsumerName, checkPatterns, Limits, Times, WarrenError } from "@warren/protocol";
import type { Duration } from "@bufbuild/protobuf/wkt";
import { AckMode, OnConfigChange, OnConflict, OnGap, type Open, type StartFrom as StartFromMessage } from "@warren/protocol/v1";
import type { NewSubscription, StartFrom } from "@warren/receiver-core";

/** The subscriber's request as the core's typed message. Throws what is wrong with it: NAME_INVALID, PATTERN_INVALID, REQUEST_INVALID, NOT_SUPPORTED. */
export function toNewSubscription(open: Open | undefined, exchange: string, nowMs: number): NewSubscription {
  if (open === undefined) throw new WarrenError("REQUEST_INVALID", "the first command must be `open`");
  if (open.consumer !== "") checkConsumerName(open.consumer);
  const patterns = open.receiver?.patterns ?? [];
  checkPatterns(patterns);
  if (open.receiver?.filter !== undefined && open.receiver.filter !== "") {
    throw new WarrenError("NOT_SUPPORTED", "receiver.filter is not built yet; leave it empty and choose by patterns");
  }
  if (open.maxInFlight > Limits.maxInFlight) {
    throw new WarrenError(
      "REQUEST_INVALID",
      `max_in_flight is ${open.maxInFlight}; it must be 1 to ${Limits.maxInFlight}, or 0 for ${Limits.defaultMaxInFlight}`,
    );
  }
  if (open.maxInFlightBytes > Limits.maxInFlightBytes) {
    throw new WarrenError(
      "REQUEST_INVALID",
      `max_in_flight_bytes is ${open.maxInFlightBytes}; it must be 1 to ${Limits.maxInFlightBytes}, or 0 for ${Limits.defaultMaxInFlightBytes}`,
    );
  }
  if (open.knownOffset < 0n || open.knownMoves < 0n) throw new WarrenError("REQUEST_INVALID", "known_offset or known_moves is negative");
  return {
    consumer: open.consumer,
    config: { exchange, patterns },
    start: toStart(open.start, nowMs),
    maxInFlight: open.maxInFlight === 0 ? Limits.defaultMaxInFlight : open.maxInFlight,
    maxInFlightBytes: open.maxInFlightBytes === 0 ? Limits.defaultMaxInFlightBytes : open.maxInFlightBytes,
    onConflict: toOnConflict(open.onConflict),
    onConfigChange: toOnConfigChange(open.onConfigChange),
    onGap: toOnGap(open.onGap),
    ackMode: toAckMode(open.ackMode),
    expireAfterMs: toExpiry(open.expireAfter),
    sessionTimeoutMs: toTimeout(open),
    known: open.knownLogId === "" ? undefined : { logId: open.knownLogId, offset: open.knownOffset, moves: open.knownMoves },
    instanceId: open.instanceId,
  };
}

/** Where to begin. Throws REQUEST_INVALID. */
export function toStart(start: StartFromMessage | undefined, nowMs: number): StartFrom {
  switch (start?.start.case) {
    case "earliest":
      return { kind: "earliest" };
    case "time":
      return { kind: "time", time: toTime(start.start.value, nowMs) };
    case "afterOffset":
      if (start.start.value < 0n)
        throw new WarrenError("REQUEST_INVALID", `start.after_offset is ${start.start.value}; it must be 0 or more`);
      return { kind: "after-offset", afterOffset: start.start.value };
    case "latest":
    case undefined:
      return { kind: "latest" };
  }
}

function toTime(timestamp: Timestamp, nowMs: number): number {
  const time = timestampMs(timestamp);
  // A year 1 to 9999, and not ahead of us by more than clocks may differ.
  if (!Number.isFinite(time) || time < -62_135_596_800_000) throw new WarrenError("REQUEST_INVALID", "start.time is not a time");
  if (time > nowMs + 300_000) throw new WarrenError("REQUEST_INVALID", `start.time is in the future; use latest`);
  return time;
}

function toOnConflict(value: OnConflict): NewSubscription["onConflict"] {
  switch (value) {
    case OnConflict.UNSPECIFIED:
    case OnConflict.STANDBY:
      return "standby";
    case OnConflict.TAKE_OVER:
      return "take-over";
    case OnConflict.REJECT:
      return "reject";
    default:
      throw new WarrenError("REQUEST_INVALID", `on_conflict ${String(value)} is not known`);
  }
}

function toOnConfigChange(value: OnConfigChange): NewSubscription["onConfigChange"] {
  switch (value) {
    case OnConfigChange.UNSPECIFIED:
    case OnConfigChange.FAIL:
      return "fail";
    case OnConfigChange.MIGRATE:
      return "migrate";
    default:
      throw new WarrenError("REQUEST_INVALID", `on_config_change ${String(value)} is not known`);
  }
}

function toAckMode(value: AckMode): NewSubscription["ackMode"] {
  switch (value) {
    case AckMode.UNSPECIFIED:
    case AckMode.EXPLICIT:
      return "explicit";
    case AckMode.AUTO:
      return "auto";
    default:
      throw new WarrenError("REQUEST_INVALID", `ack_mode ${String(value)} is not known`);
  }
}

function toOnGap(value: OnGap): NewSubscription["onGap"] {
  switch (value) {
    case OnGap.UNSPECIFIED:
    case OnGap.JUMP:
      return "jump";
    case OnGap.FAIL:
      return "fail";
    default:
      throw new WarrenError("REQUEST_INVALID", `on_gap ${String(value)} is not known`);
  }
}

/** After how many milliseconds of sleep a consumer is forgotten. Throws REQUEST_INVALID. */
export function toExpiry(duration: Duration | undefined): number | undefined {
  return duration === undefined ? undefined : toLifetime("expire_after", duration);
}

/** A second to a hundred years, in whole milliseconds. Throws REQUEST_INVALID. */
export function toLifetime(field: string, { seconds, nanos }: Duration): number {
  const ms = Math.floor(Number(seconds) * 1000 + nanos / 1e6);
  if (ms < 1_000 || ms > longestMs) throw new WarrenError("REQUEST_INVALID", `${field} is ${ms} ms; it must be 1 s to 100 years`);
  return ms;
}

const longestMs = 36_525 * 86_400_000;

function toTimeout({ sessionTimeout }: Open): number {
  if (sessionTimeout === undefined) return Times.sessionMs;
  const ms = Number(sessionTimeout.seconds) * 1000 + sessionTimeout.nanos / 1e6;
  if (ms < Times.sessionMinMs || ms > Times.sessionMaxMs)
    throw new WarrenError("REQUEST_INVALID", `session_timeout is ${ms} ms; it must be 1 s to 24 h`);
  return ms;
}
