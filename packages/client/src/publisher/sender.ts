import type { EventFields, EventSlice, WarrenError } from "@warren/protocol";

/** What became of one event. */
export type EventOutcome = { readonly kind: "ok" } | { readonly kind: "rejected" | "indeterminate"; readonly error: WarrenError };

/** An event ready to be sent: checked. */
export interface OutgoingEvent {
  readonly event: EventFields;
  /** About how many bytes it has. */
  readonly size: number;
  /** Its bytes, for senders of packs. */
  readonly slice: EventSlice | undefined;
  /** Tells what became of it, once. */
  readonly settle: (outcome: EventOutcome) => void;
}

/** A way to RabbitMQ. Order of calls is order on the wire. */
export interface Sender {
  /** How many of the events that wait the next message takes; 0: none now, ask again when a message was settled. `underWay`: messages not settled yet. */
  next(waiting: readonly OutgoingEvent[], underWay: number): number;
  /** Sends them as one message; settles each, then calls `settled`. Never throws. */
  send(events: readonly OutgoingEvent[], settled: () => void): void;
  close(): Promise<void>;
}
