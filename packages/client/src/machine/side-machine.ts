import type { Failure } from "./session-machine.ts";

/*
 * Side deliveries on the subscriber's side. Pure. One is handed to the application once per process, however often sessions bring it; what became of it is
 * told in every session until the broker says that it is settled.
 */

/** What became of a side delivery in the application. */
type Standing = { readonly kind: "working" } | { readonly kind: "done" } | { readonly kind: "failed"; readonly failure: Failure };

/** Side deliveries that are not known to be settled, by delivery id. */
export type SideState = ReadonlyMap<bigint, Standing>;

/** What to do for side deliveries. */
export type SideEffect =
  | { readonly kind: "hand-side"; readonly deliveryId: bigint }
  | { readonly kind: "ack-side"; readonly deliveryId: bigint }
  | { readonly kind: "park-side"; readonly deliveryId: bigint; readonly failure: Failure };

/** A state and what to do now. */
export interface SideStep {
  readonly sides: SideState;
  readonly effects: readonly SideEffect[];
}

/** None. */
export const noSides: SideState = new Map();

/** A session brought one. */
export function sideReceived(sides: SideState, deliveryId: bigint): SideStep {
  const standing = sides.get(deliveryId);
  if (standing === undefined) {
    return { sides: new Map(sides).set(deliveryId, { kind: "working" }), effects: [{ kind: "hand-side", deliveryId }] };
  }
  if (standing.kind === "done") return { sides, effects: [{ kind: "ack-side", deliveryId }] };
  if (standing.kind === "failed") return { sides, effects: [{ kind: "park-side", deliveryId, failure: standing.failure }] };
  return { sides, effects: [] };
}

/** The application is done with it. */
export function sideDone(sides: SideState, deliveryId: bigint): SideStep {
  if (!sides.has(deliveryId)) return { sides, effects: [] };
  return { sides: new Map(sides).set(deliveryId, { kind: "done" }), effects: [{ kind: "ack-side", deliveryId }] };
}

/** The application failed again. */
export function sideFailed(sides: SideState, deliveryId: bigint, failure: Failure): SideStep {
  if (!sides.has(deliveryId)) return { sides, effects: [] };
  return { sides: new Map(sides).set(deliveryId, { kind: "failed", failure }), effects: [{ kind: "park-side", deliveryId, failure }] };
}

/** The broker says that these are settled. */
export function sidesSettled(sides: SideState, deliveryIds: readonly bigint[]): SideState {
  if (deliveryIds.length === 0) return sides;
  return new Map([...sides].filter(([deliveryId]) => !deliveryIds.includes(deliveryId)));
}
