import type { EncodedBatch, Offset, OffsetRange, Settled, WarrenError } from "@warren/protocol";
import type { SideEvent } from "./machine/sides.ts";
import type { Operations } from "./operations.ts";
import type { ReceiverOperations } from "./receiver-operations.ts";
import type { LogGap } from "@warren/event-store";
import type { ReceiverConfig, RetentionPolicy } from "@warren/state-store";
import type { Kept } from "./receiver-upkeep.ts";

/** Where a new consumer name begins. */
export type StartFrom =
  | { readonly kind: "latest" }
  | { readonly kind: "earliest" }
  /** Milliseconds since 1970. */
  | { readonly kind: "time"; readonly time: number }
  | { readonly kind: "after-offset"; readonly afterOffset: Offset };

/** What to do when the name already has a session. */
export type OnConflict = "standby" | "take-over" | "reject";

/** What to do where events can no longer be given. `fail`: the session ends with GAP_MET, the consumer stays before the gap. */
export type OnGap = "jump" | "fail";

/** Who acknowledges. */
export type AckMode = "explicit" | "auto";

/** Typed message *new subscription*: a subscriber asks for the events of a config under a name. Already validated by the caller. */
export interface NewSubscription {
  /** Empty: ephemeral, nothing is kept. */
  readonly consumer: string;
  readonly config: ReceiverConfig;
  readonly start: StartFrom;
  readonly maxInFlight: number;
  readonly maxInFlightBytes: number;
  readonly onConflict: OnConflict;
  readonly onGap: OnGap;
  readonly ackMode: AckMode;
  readonly sessionTimeoutMs: number;
  /** Of a new name: forgotten after so many milliseconds asleep. Undefined: never. */
  readonly expireAfterMs: number | undefined;
  /** The log id and offset the subscriber itself kept; undefined when it kept none. */
  readonly known?: { readonly logId: string; readonly offset: Offset; readonly moves: bigint } | undefined;
  /** When the name exists with another config. */
  readonly onConfigChange: "fail" | "migrate";
  /** Set by the core alone: key of the receiver that the name was moved away from for this session. */
  readonly migratedFrom?: string | undefined;
  /** Empty: every open is another program. */
  readonly instanceId: string;
}

/** Why a subscriber is stopped. */
export type StopReason = "stream-ended" | "silent" | "taken-over" | "draining" | "failed" | "fenced" | "moved" | "gap";

/** Typed message *stop subscriber*: the stream ended, or its session is silent. The receiver is found by config, the consumer by name. */
export interface StopSubscriber {
  readonly config: ReceiverConfig;
  readonly consumer: string;
  readonly sessionId: string;
  readonly reason: StopReason;
}

/** What a subscriber acknowledges. */
export interface AckCommand {
  /** Everything at or below it is done. */
  readonly upTo: Offset;
  /** So are these. */
  readonly ranges: readonly OffsetRange[];
  /** And these side deliveries. */
  readonly deliveryIds: readonly bigint[];
}

/** What a subscriber sets aside: an event of the session, or a side delivery. */
export interface ParkCommand {
  readonly what: { readonly offset: Offset } | { readonly deliveryId: bigint };
  readonly reason: string;
  readonly attempts: number;
}

/** A frame for the subscriber, in the order in which it must be sent. */
export type Frame =
  | { readonly kind: "standby"; readonly activeSince: number }
  | {
      readonly kind: "opened";
      readonly sessionId: string;
      readonly sessionToken: bigint;
      readonly receiverKey: string;
      /** Events above its mark follow, except its ranges. */
      readonly settled: Settled;
      readonly headOffset: Offset;
      readonly logId: string;
      readonly resumed: boolean;
      readonly moves: bigint;
      /** Key of the receiver that this very session moved the name away from; empty otherwise. */
      readonly migratedFrom: string;
    }
  /** Events `from..` of the batch: those before index `from` lie below the consumer's next offset and are not for it. */
  | { readonly kind: "batch"; readonly batch: EncodedBatch; readonly from: number; readonly to: number }
  | { readonly kind: "caught-up"; readonly offset: Offset }
  | { readonly kind: "fell-behind"; readonly offset: Offset }
  | { readonly kind: "gap"; readonly gap: LogGap }
  /** What is saved of the offsets, and side deliveries that are settled now. */
  | { readonly kind: "acked"; readonly settled: Settled; readonly deliveryIds: readonly bigint[] }
  | { readonly kind: "side"; readonly side: SideEvent }
  /** `what`: of a refused park. */
  | { readonly kind: "refused"; readonly error: WarrenError; readonly what: ParkCommand["what"] | undefined }
  | { readonly kind: "paused"; readonly reason: string }
  | { readonly kind: "resumed" }
  | { readonly kind: "heartbeat"; readonly headOffset: Offset; readonly sentOffset: Offset; readonly waitingForAck: boolean }
  | { readonly kind: "draining"; readonly retryAfterMs: number };

/** One open stream of a subscriber. */
export interface Session {
  /** Known from the start; named in `opened`. */
  readonly sessionId: string;
  /** Aborts when the session has ended, with the reason. Frames that were made before still come. */
  readonly signal: AbortSignal;
  /**
   * The frames, one at a time: asking for the next one means the last one was handed to the stream (back-pressure). Ends without an error when
   * `stop` was called, else throws the WarrenError that ended the session. To be iterated once. `return()` stops the subscriber.
   */
  frames(): AsyncIterableIterator<Frame>;
  /**
   * These events are done. Throws ACK_INVALID when one was not sent, SESSION_CLOSED after the end; then nothing changed, and the session goes on. Acked
   * already: nothing happens. Saving is asynchronous: an `acked` frame tells when.
   */
  ack(command: AckCommand): void;
  /** Sets an event aside. Resolves when that is saved, with what is settled now. ACK_INVALID, SESSION_CLOSED, OFFSET_OUT_OF_RANGE (pruned), NOT_SUPPORTED (no name). */
  park(command: ParkCommand): Promise<Settled>;
  /** Tells the subscriber that a command of its was wrong. */
  refuse(error: WarrenError, what?: ParkCommand["what"]): void;
  /** A sign of life, so that the session does not count as silent. */
  ping(): void;
  /** The stream ended: the consumer is put to sleep. Twice is fine. */
  stop(reason: StopReason): void;
}

/** A receiver as an operator sees it. */
export interface ReceiverView {
  readonly receiverKey: string;
  readonly config: ReceiverConfig;
  readonly queue: string;
  readonly logId: string;
  readonly headOffset: Offset;
  readonly oldestOffset: Offset;
  readonly consuming: boolean;
  /** Why it does not consume. */
  readonly waitingFor: WarrenError | undefined;
  readonly completeSince: number | undefined;
  readonly activeConsumers: number;
  readonly sleepingConsumers: number;
  readonly retention: RetentionPolicy;
  readonly kept: Kept;
  /** Messages that wait in its queue; undefined while that is not known. */
  readonly queueDepth: number | undefined;
}

/** Where a consumer is. */
export type ConsumerPhase = "asleep" | "catching-up" | "live";

/** A consumer as an operator sees it. */
export interface ConsumerView {
  readonly name: string;
  readonly receiverKey: string;
  readonly config: ReceiverConfig;
  readonly phase: ConsumerPhase;
  readonly settled: Settled;
  readonly sentOffset: Offset;
  readonly headOffset: Offset;
  readonly sessionToken: bigint;
  /** Milliseconds since 1970. */
  readonly stateSince: number;
  readonly standbySessions: number;
  /** Why it is paused. */
  readonly paused: string | undefined;
  /** Forgotten after so many milliseconds asleep; undefined: never. */
  readonly expireAfterMs: number | undefined;
}

/** Counters since start, for metrics. */
export interface CoreCounters {
  /** Delivered by RabbitMQ, counted when their batch is begun; delivered again, counted again. */
  readonly eventsReceived: number;
  readonly eventsStored: number;
  readonly repeatsDropped: number;
  readonly quarantined: number;
  readonly eventsSent: number;
  readonly appends: number;
  readonly offsetSaves: number;
  readonly eventsPruned: number;
  readonly consumersExpired: number;
  readonly receiversRetired: number;
}

/** What the apps see of receiver-core. `ReceiverManager` implements it. */
export interface Subscriptions {
  /** Loads state; every consumer starts asleep, every receiver begins to consume. Rejects only on abort: waits for the database. */
  start(options: { readonly signal: AbortSignal }): Promise<void>;
  /** Reacts to *new subscription*. Never throws: what is wrong ends `frames()`. */
  newSubscription(message: NewSubscription): Session;
  /** Reacts to *stop subscriber*. Unknown or stopped already: nothing happens. */
  stopSubscriber(message: StopSubscriber): void;
  /** Ack by session id, from another connection than the stream; resolves with what is saved. NOT_FOUND, SESSION_CLOSED, TAKEN_OVER, ACK_INVALID. */
  ack(sessionId: string, command: AckCommand, options: { readonly signal: AbortSignal }): Promise<Settled>;
  /** Park by session id. */
  park(sessionId: string, command: ParkCommand): Promise<Settled>;
  /** What an operator may do to consumers. */
  readonly operations: Operations;
  /** And to receivers. */
  readonly receiverOperations: ReceiverOperations;
  receivers(): readonly ReceiverView[];
  consumers(): readonly ConsumerView[];
  counters(): CoreCounters;
  /** Bytes of messages that receivers hold: delivered and not stored. */
  readonly unstoredBytes: number;
  /** Sends `draining` to every session, ends them, saves offsets, closes queues. Twice is fine. */
  drain(): Promise<void>;
  /** Stops at once, as a crash would: nothing is saved. For tests and the demo. */
  drop(): void;
}
