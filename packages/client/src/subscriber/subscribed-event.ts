import { StoredEvent, type Offset, type RecordedEvent } from "@warren/protocol";
import type { Event } from "@warren/protocol/v1";
import type { Failure } from "../machine/session-machine.ts";

/** An event, to be settled when it is dealt with: acked, or parked. */
export interface SubscribedEvent extends RecordedEvent {
  /** Set when the event was parked before, and an operator had it retried: why, and how often it was tried. */
  readonly retried: Failure | undefined;
  /** This event is done. In any order; twice is fine. */
  ack(this: void): void;
  /** Sets this event aside on the broker, for an operator to look at; the rest goes on. `attempts`: how often it was tried, default 1. Needs a consumer name. */
  park(this: void, reason: string, attempts?: number): void;
}

/** What becomes of an event. */
export interface Settle {
  readonly ack: () => void;
  readonly park: (failure: Failure) => void;
}

/** An event with its ways to be settled. */
export class SettleableEvent extends StoredEvent implements SubscribedEvent {
  readonly retried: Failure | undefined;
  readonly ack: SubscribedEvent["ack"];
  readonly park: SubscribedEvent["park"];

  constructor(event: Event, offset: Offset, recordedAt: Date, settle: Settle, retried?: Failure) {
    super(event, offset, recordedAt);
    this.retried = retried;
    this.ack = settle.ack;
    this.park = (reason, attempts = 1) => settle.park({ reason, attempts });
  }
}
