import { WarrenError, type Settled } from "@warren/protocol";
import type { ConsumerInput, ConsumerState } from "./consumer-state.ts";

/** What the state store has of a name. */
export interface KeptName {
  /** Of its newest session, or of an operator's move after it. */
  readonly token: bigint;
  /** How often an operator moved it. */
  readonly moves: bigint;
  readonly settled: Settled;
}

/** The answer when it was asked for the name of a session. */
export interface LookedUp {
  readonly kind: "looked-up";
  /** Of the session that it was asked for. */
  readonly token: bigint;
  /** Undefined: the name does not exist. */
  readonly kept: KeptName | undefined;
}

/**
 * What happened to the name of a session elsewhere: at another broker an operator moved or deleted it, or another session took it. Undefined: nothing did,
 * or the session has ended, or this broker itself is claiming the name and hears of it then.
 */
export function happenedElsewhere({ awake, claiming }: ConsumerState, { token, kept }: LookedUp): ConsumerInput | undefined {
  if (awake?.token !== token || claiming !== undefined) return undefined;
  if (kept === undefined) {
    return {
      kind: "shut",
      error: new WarrenError("CONSUMER_DELETED", "an operator deleted this consumer; opening it again would make it anew"),
    };
  }
  // Tokens only grow: an answer that is older than the session says nothing.
  if (kept.token <= token) return undefined;
  // Not more: another session has it; also when it was deleted and made anew, for then it was never moved.
  if (kept.moves <= awake.moves) return { kind: "fenced", token };
  const error = new WarrenError("CONSUMER_MOVED", "this consumer was moved at another broker; open again, at its new place");
  return { kind: "moved", settled: kept.settled, error };
}
