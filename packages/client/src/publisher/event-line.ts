import { EventEncoder, toEventFields, type EventDefaults, type EventFields, type NewEvent, type WarrenError } from "@warren/protocol";
import { HeldBytes } from "./held-bytes.ts";
import type { Line } from "./line.ts";
import type { EventOutcome } from "./outcome.ts";

/** An event ready to be sent: checked. */
export interface OutgoingEvent {
  readonly event: EventFields;
  /** About how many bytes it has. */
  readonly size: number;
  /** Tells what became of it, once. */
  readonly settle: (outcome: EventOutcome) => void;
}

/** How many of the events that wait the next parcel takes; 0: none now. */
export type Cut = (waiting: readonly OutgoingEvent[], underWay: number) => number;

/** A line of events that travel each by itself, with an outcome of its own. */
export class EventLine implements Line<readonly OutgoingEvent[]> {
  readonly #cut: Cut;
  readonly #encoder = new EventEncoder();
  readonly #held = new HeldBytes();
  #waiting: OutgoingEvent[] = [];

  constructor(cut: Cut) {
    this.#cut = cut;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  add(given: NewEvent, defaults: EventDefaults): Promise<EventOutcome> {
    const event = toEventFields(given, defaults);
    const size = this.#encoder.check(event);
    this.#held.take(size);
    return new Promise((resolve) => {
      const settle = (outcome: EventOutcome): void => {
        this.#held.give(size);
        resolve(outcome);
      };
      this.#waiting.push({ event, size, settle });
    });
  }

  take(underWay: number): readonly OutgoingEvent[] | undefined {
    const count = this.#waiting.length === 0 ? 0 : this.#cut(this.#waiting, underWay);
    return count === 0 ? undefined : this.#waiting.splice(0, count);
  }

  reject(error: WarrenError): void {
    for (const { settle } of this.#waiting.splice(0)) settle({ kind: "rejected", error });
  }
}
