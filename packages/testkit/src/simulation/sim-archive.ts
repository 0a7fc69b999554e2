import type { EventSlice, QuarantinedEvent } from "@warren/protocol";
import { sameBytes, setAside, simSlice, type SimSlice } from "./sim-event.ts";

/** The archiver's database: each event once, whatever is sent again. */
export class SimArchive {
  readonly aside = new Set<string>();
  readonly #slices = new Map<string, SimSlice>();

  append(events: readonly EventSlice[], quarantined: readonly QuarantinedEvent[]): { readonly kind: "stored" | "refused" } {
    if (events.some((event) => simSlice(event).event.poison)) return { kind: "refused" };
    for (const each of quarantined) setAside(this.aside, each);
    for (const event of events) {
      const slice = simSlice(event);
      const stored = this.#slices.get(slice.id);
      if (stored === undefined) this.#slices.set(slice.id, slice);
      else if (!sameBytes(stored.bytes, slice.bytes)) this.aside.add(slice.event.key);
    }
    return { kind: "stored" };
  }

  /** In the archive, or set aside. */
  kept({ id, bytes, event }: SimSlice): boolean {
    const stored = this.#slices.get(id);
    return (stored !== undefined && sameBytes(stored.bytes, bytes)) || this.aside.has(event.key);
  }

  /** What is stored, by event key. */
  get keys(): ReadonlySet<string> {
    return new Set([...this.#slices.values()].map(({ event }) => event.key));
  }
}
