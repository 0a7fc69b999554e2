import type { EventDefaults, NewEvent, WarrenError } from "@warren/protocol";
import type { EventOutcome } from "./outcome.ts";

/** Events that wait to be sent, in order, and how they are cut into parcels: what travels at once, as one message or in one call. */
export interface Line<Parcel> {
  /** Nothing waits. */
  readonly isEmpty: boolean;
  /**
   * Takes an event; nothing of it is kept but its bytes, or its fields. Resolves with what became of it, never rejects; events of one parcel may share the promise.
   * Throws EVENT_INVALID, TOO_LARGE, or BUFFER_FULL when too many bytes are not settled: then it was not taken.
   */
  add(event: NewEvent, defaults: EventDefaults): Promise<EventOutcome>;
  /** What goes next. Undefined: nothing now, ask again when a parcel was settled. `underWay`: parcels not settled yet. */
  take(underWay: number): Parcel | undefined;
  /** Settles all that waits as rejected. */
  reject(error: WarrenError): void;
}

/** A way to RabbitMQ. Order of calls is order on the wire. */
export interface Sender<Parcel> {
  /** Sends a parcel and settles each event in it, then calls `settled`. Never throws. */
  send(parcel: Parcel, settled: () => void): void;
  close(): Promise<void>;
}
