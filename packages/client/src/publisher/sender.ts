import type { EventSlice, WarrenError } from "@warren/protocol";
import type { Event } from "@warren/protocol/v1";

/** What became of one event. */
export type EventOutcome = { readonly kind: "ok" } | { readonly kind: "rejected" | "indeterminate"; readonly error: WarrenError };

/** An event ready to be sent: checked, and encoded. */
export interface OutgoingEvent {
  readonly event: Event;
  readonly slice: EventSlice;
}

/** A way to RabbitMQ: sends consecutive events and says what became of each, in the same order. Order of calls is order on the wire. Never rejects. */
export interface Sender {
  send(events: readonly OutgoingEvent[]): Promise<readonly EventOutcome[]>;
  close(): Promise<void>;
}
