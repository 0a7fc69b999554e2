import type { EventLog } from "@warren/event-store";
import { backoffDelay, type Clock, type IdSource, type Logger } from "@warren/protocol";
import type { ChunkSize, TailBudget } from "@warren/replay";
import type { OffsetWriter, StateStore } from "@warren/state-store";
import type { Transport } from "@warren/transport";
import type { Consumer } from "./consumer.ts";
import type { ReceiveBudget } from "./receive-budget.ts";
import type { PastProbe } from "./start-offset.ts";

/** Everything receiver-core reaches the world through. */
export interface CoreDeps {
  readonly transport: Transport;
  readonly log: EventLog;
  readonly state: StateStore;
  readonly offsets: OffsetWriter;
  readonly past: PastProbe;
  readonly clock: Clock;
  /** Runs something when what was begun in this turn of the event loop is under way. */
  readonly defer: (run: () => void) => void;
  readonly ids: IdSource;
  /** A number in [0, 1), for jitter. */
  readonly random: () => number;
  readonly logger: Logger;
}

/** Options of a deployment. */
export interface CoreOptions {
  /** Prefix of queue names. */
  readonly namespace: string;
  /** Exchange that receivers bind to; it is waited for, never made (the archiver owns it). */
  readonly exchange: string;
  /** Messages RabbitMQ may send ahead, per receiver. Default 500. */
  readonly prefetch?: number | undefined;
  /** Bytes of messages delivered and not stored, over all receivers. Default 256 MiB. */
  readonly unstoredBytes?: number | undefined;
  /** Bytes of newest segments in memory, over all receivers. Default 64 MiB. */
  readonly tailBytes?: number | undefined;
  /** Bounds of one chunk of catch-up. */
  readonly chunk?: ChunkSize | undefined;
  /** A receiver without consumers is removed after so many milliseconds. Default and 0: never. */
  readonly retireAfterMs?: number | undefined;
  /** How often retention, expiry and retirement of each receiver are looked at, in milliseconds. Default 20 000. */
  readonly upkeepMs?: number | undefined;
}

/** Back-off with full jitter, by number of failures in a row. Milliseconds. */
export function backoff(deps: Pick<CoreDeps, "random">, attempt: number): number {
  return backoffDelay(attempt, deps.random);
}

/** What the receivers of one process share. */
export interface Shared {
  readonly counters: MutableCounters;
  readonly budget: ReceiveBudget;
  readonly tails: TailBudget;
  /** Consumers with a session, by name, of all receivers. */
  readonly awake: Map<string, Consumer>;
}

/** Counters of one process, written by receivers and consumers. */
interface MutableCounters {
  eventsReceived: number;
  eventsStored: number;
  repeatsDropped: number;
  quarantined: number;
  eventsSent: number;
  appends: number;
  offsetSaves: number;
  eventsPruned: number;
  consumersExpired: number;
  receiversRetired: number;
}

/** Nothing counted yet. */
export function noCounts(): MutableCounters {
  return {
    eventsReceived: 0,
    eventsStored: 0,
    repeatsDropped: 0,
    quarantined: 0,
    eventsSent: 0,
    appends: 0,
    offsetSaves: 0,
    eventsPruned: 0,
    consumersExpired: 0,
    receiversRetired: 0,
  };
}
