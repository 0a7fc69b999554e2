import { LazyEvent, type Offset, type ReceivedBatch, type RecordedEvent } from "@warren/protocol";
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

/** Where it is told what became of events: of one batch, or of one side delivery. */
export interface Settle {
  /** Of the event with that index in its batch. */
  ack(index: number): void;
  park(offset: Offset, failure: Failure): void;
}

/** An event with its ways to be settled. */
export class SettleableEvent extends LazyEvent implements SubscribedEvent {
  readonly retried: Failure | undefined;
  readonly #settle: Settle;
  readonly #place: number;

  constructor(batch: ReceivedBatch, index: number, settle: Settle, retried?: Failure) {
    super(batch, index);
    this.#place = index;
    this.retried = retried;
    this.#settle = settle;
  }

  get ack(): SubscribedEvent["ack"] {
    return () => this.#settle.ack(this.#place);
  }

  get park(): SubscribedEvent["park"] {
    return (reason, attempts = 1) => this.#settle.park(this.offset, { reason, attempts });
  }
}
