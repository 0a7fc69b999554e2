/** Status names of the Connect and gRPC protocols, as they stand on the wire of Connect. */
export type StatusName =
  | "invalid_argument"
  | "not_found"
  | "already_exists"
  | "failed_precondition"
  | "aborted"
  | "out_of_range"
  | "unimplemented"
  | "unavailable"
  | "deadline_exceeded"
  | "resource_exhausted"
  | "data_loss"
  | "internal";

/**
 * Every error code of Warren and the status it travels with: the one table, and its documentation.
 * A code never changes its meaning; new ones are added.
 */
export const ErrorStatus = {
  /** A setting is missing or wrong; the message names it and the cure. */
  CONFIG_INVALID: "invalid_argument",
  /** A request breaks a rule that no other code names. */
  REQUEST_INVALID: "invalid_argument",
  /** A consumer name breaks the rules for names. */
  NAME_INVALID: "invalid_argument",
  /** A topic pattern breaks the limits for patterns. */
  PATTERN_INVALID: "invalid_argument",
  /** An event to be published breaks a rule. */
  EVENT_INVALID: "invalid_argument",
  /** An event or request is larger than its limit. */
  TOO_LARGE: "resource_exhausted",
  /** The part asked for is not built yet. */
  NOT_SUPPORTED: "unimplemented",
  /** No such receiver, consumer, event or session. */
  NOT_FOUND: "not_found",
  /** The consumer name has a session, and `on_conflict` is REJECT. */
  CONSUMER_BUSY: "already_exists",
  /** The consumer name exists with another receiver config; the message names the difference. */
  CONFIG_MISMATCH: "failed_precondition",
  /** A newer session has the consumer name. Terminal: do not reconnect. */
  TAKEN_OVER: "aborted",
  /** An operator moved the consumer: open again, it goes on at its new place. */
  CONSUMER_MOVED: "unavailable",
  /** An operator deleted the consumer. Terminal: opening again would make it anew. */
  CONSUMER_DELETED: "failed_precondition",
  /** The start lies in the past of a receiver that cannot give it. */
  PAST_NOT_AVAILABLE: "failed_precondition",
  /** The offset lies above what is stored. */
  OFFSET_OUT_OF_RANGE: "out_of_range",
  /** An ack above what was sent, or in a state that takes none. */
  ACK_INVALID: "invalid_argument",
  /** The session is not open (any more). */
  SESSION_CLOSED: "failed_precondition",
  /** Un-acked events and no ack for `session_timeout`: the consumer was put to sleep. */
  SESSION_SILENT: "deadline_exceeded",
  /** The log is behind what a consumer already acked: a database was restored or lost. */
  LOG_LOST: "data_loss",
  /** The session fails at gaps and has met one: events were pruned, or may have been missed. Terminal, unless it opens again with JUMP. */
  GAP_MET: "data_loss",
  /** The receiver has consumers or open sessions. */
  RECEIVER_IN_USE: "failed_precondition",
  /** PostgreSQL is away. Waited for, retried. */
  STORE_UNAVAILABLE: "unavailable",
  /** RabbitMQ is away. Waited for, retried. */
  TRANSPORT_UNAVAILABLE: "unavailable",
  /** The broker is shutting down; open again. */
  DRAINING: "unavailable",
  /** Another broker owns the receiver now; open again. */
  FENCED: "unavailable",
  /** No queue takes the event: the exchange has no matching binding. */
  UNROUTABLE: "failed_precondition",
  /** The exchange does not exist or has another type. */
  EXCHANGE_INVALID: "failed_precondition",
  /** The queue exists with other arguments. */
  QUEUE_INVALID: "failed_precondition",
  /** Whether RabbitMQ took the event is not known; publishing the same id again is safe. */
  OUTCOME_UNKNOWN: "unavailable",
  /** The publisher's buffer is full. */
  BUFFER_FULL: "resource_exhausted",
  /** The object was closed. */
  CLOSED: "failed_precondition",
  /** The address to listen on is taken. */
  ADDRESS_IN_USE: "failed_precondition",
  /** A subscriber's handler failed more often than allowed. */
  HANDLER_FAILED: "failed_precondition",
  /** A bug of Warren. */
  ILLEGAL_STATE: "internal",
} as const satisfies Record<string, StatusName>;

/** A machine-readable error code. */
export type ErrorCode = keyof typeof ErrorStatus;

/** The one error class of Warren: a code, a message that says what was wrong and what to do, and the cause. */
export class WarrenError extends Error {
  override readonly name: string = "WarrenError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** Whether `value` is an error of Warren, with that code when one is given; also across two copies of this package. */
export function isWarrenError(value: unknown, code?: ErrorCode): value is WarrenError {
  return (
    value instanceof Error &&
    value.name === "WarrenError" &&
    "code" in value &&
    (code === undefined ? typeof value.code === "string" && value.code in ErrorStatus : value.code === code)
  );
}
