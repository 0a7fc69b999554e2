import type { EventLog } from "@warren/event-store";
import {
  assert,
  cutText,
  isWarrenError,
  Limits,
  raiseMark,
  WarrenError,
  type Clock,
  type EncodedBatch,
  type Logger,
  type Offset,
  type Settled,
} from "@warren/protocol";
import type { Tail } from "@warren/replay";
import type { StateStore } from "@warren/state-store";
import type { Awake, ConsumerInput } from "./machine/consumer-state.ts";
import type { SideEvent } from "./machine/sides.ts";
import type { ParkCommand } from "./subscription.ts";

/** What parking needs of its consumer. */
export interface ParkingDeps {
  readonly name: string;
  readonly receiverId: bigint;
  readonly log: EventLog;
  readonly tail: () => Tail;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly backoff: (attempt: number) => number;
  readonly store: Pick<StateStore, "park" | "parkAgain" | "settleRetried" | "retrying" | "setPaused">;
  readonly dispatch: (input: ConsumerInput) => void;
  readonly paused: (reason: string) => void;
  /** A write of the session with this token was refused. */
  readonly fenced: (token: bigint) => void;
  /** The consumer's state when this session has it. */
  readonly awake: (sessionId: string) => Awake | undefined;
  readonly isOpen: (sessionId: string) => boolean;
}

/** Parking and side deliveries of one consumer: what its machine decided is done in the state store, which is waited for while it is away (W11). */
export class ConsumerParking {
  readonly #deps: ParkingDeps;
  readonly #settling = new Map<bigint, Promise<void>>();

  constructor(deps: ParkingDeps) {
    this.#deps = deps;
  }

  /** Sets an event of the session aside. Errors as of `Session.park`. */
  async park(sessionId: string, { what, reason, attempts }: ParkCommand): Promise<Settled> {
    const { name } = this.#deps;
    if (name === "")
      throw new WarrenError("NOT_SUPPORTED", "an ephemeral subscription keeps nothing; give the consumer a name to park events");
    const tried = { reason: cutText(reason.replaceAll("\0", "\uFFFD"), Limits.parkReasonBytes), attempts: Math.max(1, attempts) };
    return "offset" in what ? this.#parkOffset(sessionId, what.offset, tried) : this.#parkSide(sessionId, what.deliveryId, tried);
  }

  async #parkOffset(sessionId: string, offset: Offset, tried: { readonly reason: string; readonly attempts: number }): Promise<Settled> {
    const { name, store, dispatch } = this.#deps;
    const { token } = this.#awake(sessionId);
    const segment = await this.#find(offset);
    const event = single(segment, offset);
    const result = await this.#untilSaved(sessionId, "event not parked", () =>
      store.park({ name, sessionToken: token, offset, ...tried, recordedAt: event.recordedAt, bytes: event.bytes }),
    );
    if (result.kind === "fenced") throw this.#fenced(token);
    dispatch({ kind: "parked", sessionId, offset });
    return raiseMark({ mark: result.ackedOffset, ranges: result.ranges }, result.ackedOffset);
  }

  async #parkSide(sessionId: string, deliveryId: bigint, tried: { readonly reason: string; readonly attempts: number }): Promise<Settled> {
    const { name, store, dispatch } = this.#deps;
    const { token, sides, saved } = this.#awake(sessionId);
    if (!sides.outstanding.includes(deliveryId)) throw new WarrenError("ACK_INVALID", `side delivery ${deliveryId} is not under way`);
    // Not under way any more: an operator discarded it. Then there is nothing to park.
    const held = await this.#untilSaved(sessionId, "event not parked again", () =>
      store.parkAgain({ name, sessionToken: token, deliveryId, ...tried }),
    );
    if (!held) throw this.#fenced(token);
    dispatch({ kind: "sides-settled", sessionId, deliveryIds: [deliveryId] });
    return saved;
  }

  /** Reads the next parked events that are to be delivered again. */
  async load(sessionId: string, afterDeliveryId: bigint): Promise<void> {
    const { name, store, dispatch } = this.#deps;
    await this.#quietly("side deliveries not read", async () => {
      const rows = await this.#untilSaved(sessionId, "side deliveries not read", () =>
        store.retrying(name, afterDeliveryId, Limits.sideDeliveries),
      );
      const events = rows.map(({ deliveryId, offset, bytes, recordedAt, reason, attempts }): SideEvent => {
        const batch = { firstOffset: offset, count: 1, bytes, eventEnds: Uint32Array.of(bytes.length), recordedAt };
        return { deliveryId, batch, reason, attempts };
      });
      dispatch({ kind: "sides", sessionId, events, more: rows.length === Limits.sideDeliveries });
    });
  }

  /** Resolves when these side deliveries, if they are being settled, are. */
  async whenSettled(deliveryIds: readonly bigint[]): Promise<void> {
    await Promise.all(deliveryIds.map((id) => this.#settling.get(id) ?? Promise.resolve()));
  }

  /** Forgets parked events that are done now. */
  async settle(sessionId: string, token: bigint, deliveryIds: readonly bigint[]): Promise<void> {
    const settling = this.#settle(sessionId, token, deliveryIds);
    for (const id of deliveryIds) this.#settling.set(id, settling);
    await settling;
    for (const id of deliveryIds) this.#settling.delete(id);
  }

  async #settle(sessionId: string, token: bigint, deliveryIds: readonly bigint[]): Promise<void> {
    const { name, store, dispatch, fenced } = this.#deps;
    await this.#quietly("side deliveries not settled", async () => {
      const held = await this.#untilSaved(sessionId, "side deliveries not settled", () => store.settleRetried(name, token, deliveryIds));
      if (held) dispatch({ kind: "sides-settled", sessionId, deliveryIds });
      else fenced(token);
    });
  }

  /** The breaker opened: the consumer is paused, as an operator would. */
  async pause(reason: string): Promise<void> {
    const { name, store, logger, paused } = this.#deps;
    logger.warn("consumer paused", { consumer: name, reason });
    // Events are not sent meanwhile; that it is kept follows.
    paused(reason);
    await this.#quietly("pause not saved", () => store.setPaused(name, reason));
  }

  #fenced(token: bigint): WarrenError {
    this.#deps.fenced(token);
    return new WarrenError("TAKEN_OVER", `a newer session has consumer ${this.#deps.name}; nothing was parked`);
  }

  #awake(sessionId: string): Awake {
    const awake = this.#deps.awake(sessionId);
    if (awake === undefined) throw new WarrenError("SESSION_CLOSED", "the session has ended; open again");
    return awake;
  }

  async #find(offset: Offset): Promise<EncodedBatch> {
    const { log, receiverId, tail } = this.#deps;
    const inTail = tail().find(offset);
    if (inTail !== undefined) return inTail;
    const read = await log.read({ receiverId, afterOffset: offset - 1n, maxEvents: 1, maxBytes: 1 });
    if (read.kind === "pruned") {
      throw new WarrenError(
        "OFFSET_OUT_OF_RANGE",
        `offset ${offset} was pruned (${read.gap.reason}); it cannot be parked any more, ack it instead`,
      );
    }
    const [segment] = read.segments;
    assert(segment !== undefined, `the log gives what follows ${offset - 1n}`);
    return segment;
  }

  /** W11: tried again while the database is away, for as long as the session is open. */
  async #untilSaved<T>(sessionId: string, what: string, run: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run();
      } catch (error) {
        if (!isWarrenError(error, "STORE_UNAVAILABLE") || !this.#deps.isOpen(sessionId)) throw error;
        if (attempt === 1) this.#deps.logger.warn(what, { consumer: this.#deps.name, error: error.message });
        await new Promise<void>((resolve) => this.#deps.clock.after(this.#deps.backoff(attempt), resolve));
      }
    }
  }

  async #quietly(what: string, run: () => Promise<unknown>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#deps.logger.warn(what, { consumer: this.#deps.name, error: error instanceof Error ? error.message : String(error) });
    }
  }
}

/** One event of a segment. */
function single(segment: EncodedBatch, offset: Offset): { readonly bytes: Uint8Array; readonly recordedAt: number } {
  const index = Number(offset - segment.firstOffset);
  const start = index === 0 ? 0 : (segment.eventEnds[index - 1] ?? 0);
  return { bytes: segment.bytes.subarray(start, segment.eventEnds[index]), recordedAt: segment.recordedAt };
}
