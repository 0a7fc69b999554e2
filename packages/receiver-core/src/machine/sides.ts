import { Limits, type EncodedBatch } from "@warren/protocol";
import type { Awake, ConsumerEffect } from "./consumer-state.ts";
import type { FlowStep } from "./flow.ts";

/*
 * Side deliveries: parked events that are delivered again, to their consumer alone, off its line of offsets (W5). They are read in chunks, few are sent
 * ahead, and a session that ends leaves them to the next one.
 */

/** A parked event to be delivered again. */
export interface SideEvent {
  readonly deliveryId: bigint;
  /** The event alone, at its own offset. */
  readonly batch: EncodedBatch;
  readonly reason: string;
  readonly attempts: number;
}

/** Side deliveries of a session. */
export interface Sides {
  /** Read and not sent. */
  readonly waiting: readonly SideEvent[];
  /** Sent and not settled. */
  readonly outstanding: readonly bigint[];
  readonly loading: boolean;
  /** There may be others in the store. */
  readonly more: boolean;
  /** Greatest delivery id that was read, and sent. */
  readonly lastLoaded: bigint;
  readonly lastSent: bigint;
}

/** None. `more`: there are some in the store. */
export function noSides(more: boolean): Sides {
  return { waiting: [], outstanding: [], loading: false, more, lastLoaded: 0n, lastSent: 0n };
}

/** Reads the next chunk when the last one was sent. */
export function loadSides(awake: Awake): FlowStep {
  const { sides, session } = awake;
  if (sides.loading || !sides.more || sides.waiting.length > 0) return { awake, effects: [] };
  const effects: ConsumerEffect[] = [{ kind: "load-sides", sessionId: session.sessionId, afterDeliveryId: sides.lastLoaded }];
  return { awake: { ...awake, sides: { ...sides, loading: true } }, effects };
}

/** A chunk was read; a delivery that is known already is not sent twice. */
export function sidesLoaded(awake: Awake, events: readonly SideEvent[], more: boolean): Awake {
  const fresh = events.filter(({ deliveryId }) => deliveryId > awake.sides.lastLoaded);
  const lastLoaded = fresh.at(-1)?.deliveryId ?? awake.sides.lastLoaded;
  return { ...awake, sides: { ...awake.sides, waiting: [...awake.sides.waiting, ...fresh], loading: false, more, lastLoaded } };
}

/** The side delivery to be sent now, if one may be. */
export function nextSide(sides: Sides): SideEvent | undefined {
  return sides.outstanding.length < Limits.sideDeliveries ? sides.waiting[0] : undefined;
}

/** It was sent. */
export function sideSent(sides: Sides, { deliveryId }: SideEvent): Sides {
  return { ...sides, waiting: sides.waiting.slice(1), outstanding: [...sides.outstanding, deliveryId], lastSent: deliveryId };
}

/** Some were settled. */
export function sidesSettled(sides: Sides, deliveryIds: readonly bigint[]): Sides {
  return { ...sides, outstanding: sides.outstanding.filter((id) => !deliveryIds.includes(id)) };
}
