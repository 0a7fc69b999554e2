import type { MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { checkConsumerName, checkPatterns, type Offset } from "@warren/protocol";
import { AckMode, OnConfigChange, OnConflict, OnGap, type OpenSchema } from "@warren/protocol/v1";

/** What to subscribe to, and how. */
export interface SubscriptionOptions {
  /** Name of the consumer: its place is kept under it. Without it the subscription is ephemeral: nothing is kept. */
  readonly consumer?: string | undefined;
  /** AMQP topic patterns on the event type, for example "order.#". */
  readonly patterns: readonly string[];
  /** Where a new name begins; one that exists goes on where it was. Default "latest". */
  readonly start?: "latest" | "earliest" | Date | { readonly afterOffset: Offset } | undefined;
  /** Events sent and not acked, at most. Default 1 024. */
  readonly maxInFlight?: number | undefined;
  /** Bytes of events sent and not acked, at most; one event comes whatever its size. Default 16 MiB. */
  readonly maxInFlightBytes?: number | undefined;
  /** When another program has the name. Default "standby": wait, and take its place when it goes. */
  readonly onConflict?: "standby" | "take-over" | "reject" | undefined;
  /**
   * When the name exists with other patterns. "fail" (default): CONFIG_MISMATCH. "migrate": the name goes over to these patterns, from a place at which nothing
   * of them is missed; what cannot be told for certain fails with CONFIG_MISMATCH, and so do parked events, which are settled first.
   */
  readonly onConfigChange?: "fail" | "migrate" | undefined;
  /**
   * Where events can no longer be given (pruned, or missed while the broker's queue was gone). Default "jump": a status `gap` tells it, and what follows comes.
   * "fail": the subscription ends with GAP_MET before anything after the gap; subscribing with "jump" goes on there.
   */
  readonly onGap?: "jump" | "fail" | undefined;
  /** Of a new name: the broker forgets it after so many milliseconds asleep, at least 1 000. Default: never. */
  readonly expireAfterMs?: number | undefined;
  /** Default "explicit": an event is done when the application says so. "auto": when it was sent. */
  readonly ackMode?: "explicit" | "auto" | undefined;
  /** With un-acked events and no sign of life for so long, the broker puts the consumer to sleep. Default 60 000. */
  readonly sessionTimeoutMs?: number | undefined;
  /** One running program; its own dead session it takes over at once. Default: made anew for each subscription. */
  readonly instanceId?: string | undefined;
}

/** What a subscription goes through, as data. */
export type SubscriptionStatus =
  | { readonly kind: "connecting" }
  /** Another program has the name; this one waits. */
  | { readonly kind: "standby" }
  | {
      readonly kind: "connected";
      readonly afterOffset: Offset;
      readonly headOffset: Offset;
      readonly resumed: boolean;
      readonly sessionToken: bigint;
      /** The name had other patterns until now; key of its receiver then. */
      readonly migratedFrom?: string | undefined;
    }
  | { readonly kind: "catchingUp"; readonly offset: Offset }
  | { readonly kind: "caughtUp"; readonly offset: Offset }
  /** Saved: nothing at or below it comes again. */
  | { readonly kind: "acked"; readonly offset: Offset }
  /** Events that can no longer be given: pruned offsets, or a time in which some may have been missed. */
  | {
      readonly kind: "gap";
      readonly reason: string;
      readonly firstOffset?: Offset;
      readonly lastOffset?: Offset;
      readonly afterOffset?: Offset;
    }
  /** An operator or the breaker paused the consumer, or `run` waits for a dependency: nothing is handed over until `resumed`. */
  | { readonly kind: "paused"; readonly reason: string }
  | { readonly kind: "resumed" }
  /** An event was set aside on the broker. */
  | { readonly kind: "parked"; readonly offset: Offset; readonly reason: string }
  /** The broker did not take a command. */
  | { readonly kind: "refused"; readonly code: string; readonly message: string }
  | { readonly kind: "disconnected"; readonly code: string; readonly message: string; readonly retryInMs: number }
  /** A newer session has the name. Final. */
  | { readonly kind: "superseded" }
  | { readonly kind: "closed" };

const conflicts = { standby: OnConflict.STANDBY, "take-over": OnConflict.TAKE_OVER, reject: OnConflict.REJECT } as const;

/** Checks the options and writes the request. Throws NAME_INVALID, PATTERN_INVALID. */
export function toOpen(options: SubscriptionOptions, instanceId: string) {
  const {
    consumer = "",
    patterns,
    start = "latest",
    maxInFlight = 0,
    maxInFlightBytes = 0,
    onConflict = "standby",
    onConfigChange = "fail",
    ackMode = "explicit",
    onGap = "jump",
    sessionTimeoutMs,
    expireAfterMs,
  } = options;
  if (consumer !== "") checkConsumerName(consumer);
  checkPatterns(patterns);
  const open = {
    consumer,
    receiver: { patterns: [...patterns] },
    start: { start: toStart(start) },
    maxInFlight,
    maxInFlightBytes,
    onConflict: conflicts[onConflict],
    onConfigChange: onConfigChange === "migrate" ? OnConfigChange.MIGRATE : OnConfigChange.FAIL,
    ackMode: ackMode === "auto" ? AckMode.AUTO : AckMode.EXPLICIT,
    onGap: onGap === "fail" ? OnGap.FAIL : OnGap.JUMP,
    instanceId,
    ...(expireAfterMs === undefined ? {} : { expireAfter: durationFromMs(expireAfterMs) }),
    ...(sessionTimeoutMs === undefined ? {} : { sessionTimeout: durationFromMs(sessionTimeoutMs) }),
  } satisfies MessageInitShape<typeof OpenSchema>;
  return open;
}

function toStart(start: NonNullable<SubscriptionOptions["start"]>) {
  if (start === "latest" || start === "earliest") return { case: start, value: {} } as const;
  if (start instanceof Date) return { case: "time", value: timestampFromDate(start) } as const;
  return { case: "afterOffset", value: start.afterOffset } as const;
}
