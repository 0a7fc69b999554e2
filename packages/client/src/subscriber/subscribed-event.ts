import type { RecordedEvent } from "@warren/protocol";
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

/** An event with its ways to be settled. Keeps the getters of the event: `data` is parsed when it is asked for. */
export function subscribed(
  event: RecordedEvent,
  settle: { readonly ack: () => void; readonly park: (failure: Failure) => void },
  retried?: Failure,
): SubscribedEvent {
  return Object.defineProperties(Object.create(null), {
    ...Object.getOwnPropertyDescriptors(event),
    retried: { value: retried, enumerable: true },
    ack: { value: settle.ack },
    park: { value: (reason: string, attempts = 1) => settle.park({ reason, attempts }) },
  }) as SubscribedEvent;
}
