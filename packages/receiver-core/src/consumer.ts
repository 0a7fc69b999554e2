import type { EventLog } from "@warren/event-store";
import { assert, isWarrenError, lastOffsetOf, WarrenError, type Clock, type Logger, type Offset, type Settled } from "@warren/protocol";
import { readChunk, type ChunkSize, type Tail } from "@warren/replay";
import { stepConsumer, wins } from "./machine/consumer-machine.ts";
import {
  asleep,
  type ConsumerEffect,
  type ConsumerInput,
  type ConsumerState,
  type Grant,
  type SessionSpec,
} from "./machine/consumer-state.ts";
import type { ConsumerRow, StateStore } from "@warren/state-store";
import type { SessionStream } from "./session-stream.ts";
import { ConsumerParking, type ParkingDeps } from "./consumer-parking.ts";
import type { ConsumerPhase, NewSubscription } from "./subscription.ts";

/** A grant before the consumer's place in memory is known. */
export type ClaimedName = Omit<Grant, "head" | "tailFirst"> & { readonly expireAfterMs: number | undefined };

/** What consumers need of their receiver: one for all of them, for most of them sleep. */
export interface ConsumerHost {
  readonly receiverId: bigint;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly chunk?: ChunkSize | undefined;
  readonly tail: () => Tail;
  readonly claim: (message: NewSubscription, signal: AbortSignal) => Promise<ClaimedName>;
  readonly save: (consumer: Consumer, token: bigint, settled: Settled) => void;
  readonly store: ParkingDeps["store"] & Pick<StateStore, "consumer">;
  readonly backoff: (attempt: number) => number;
  readonly sent: (events: number) => void;
  /** It has a session (`true`), or has none any more. */
  readonly moved: (consumer: Consumer, awake: boolean) => void;
}

interface OpenSession {
  readonly message: NewSubscription;
  readonly stream: SessionStream;
}

/** A consumer: the thin shell that feeds its machine and carries out what the machine decides. What only a session needs is made with the first one. */
export class Consumer {
  /** Empty: the consumer of one subscription without a name. */
  readonly name: string;
  readonly #deps: ConsumerHost;
  #sessions: Map<string, OpenSession> | undefined;
  #state: ConsumerState;
  #stateSince: number;
  #inputs: ConsumerInput[] | undefined;
  #running = false;
  #token = 0n;
  #paused: string | undefined;
  /** How often it was paused or resumed here. */
  #pauses = 0;
  /** Of the last session whose writes were refused. */
  #refused = 0n;
  #parkingMade: ConsumerParking | undefined;
  #idleWaiters: (() => void)[] | undefined;

  /** Forgotten after so many milliseconds asleep; undefined: never. */
  expireAfterMs: number | undefined;
  /** The state store has it. */
  #stored: boolean;

  constructor(
    deps: ConsumerHost,
    name: string,
    kept: {
      readonly settled: Settled;
      readonly paused: string | undefined;
      readonly expireAfterMs: number | undefined;
      readonly stored: boolean;
    },
  ) {
    this.name = name;
    this.#deps = deps;
    this.#state = asleep(kept.settled);
    this.#paused = kept.paused;
    this.expireAfterMs = kept.expireAfterMs;
    this.#stored = kept.stored;
    this.#stateSince = deps.clock.wallMs();
  }

  get #parking(): ConsumerParking {
    this.#parkingMade ??= new ConsumerParking({
      ...this.#deps,
      name: this.name,
      fenced: (token) => this.fenced(token),
      dispatch: (input) => this.dispatch(input),
      paused: (reason) => this.setPaused(reason),
      awake: (sessionId) => (this.#state.awake?.session.sessionId === sessionId ? this.#state.awake : undefined),
      isOpen: (sessionId) => this.#sessions?.has(sessionId) === true,
    });
    return this.#parkingMade;
  }

  get phase(): ConsumerPhase {
    return this.#state.awake?.mode ?? "asleep";
  }

  get settled(): Settled {
    return this.#state.awake?.settled ?? this.#state.settled;
  }

  /** Of it, what is known to be saved. */
  get saved(): Settled {
    return this.#state.awake?.saved ?? this.#state.settled;
  }

  get sentOffset(): Offset {
    return this.#state.awake === undefined ? this.#state.settled.mark : this.#state.awake.next - 1n;
  }

  /** Why it is paused. */
  get paused(): string | undefined {
    return this.#paused;
  }

  get sessionToken(): bigint {
    return this.#state.awake?.token ?? this.#token;
  }

  get stateSince(): number {
    return this.#stateSince;
  }

  get standbySessions(): number {
    return this.#state.waiting.length;
  }

  /** The state store has it: a name that never could be opened is no consumer. */
  get stored(): boolean {
    return this.#stored;
  }

  /** No session, and none on its way. */
  get idle(): boolean {
    return this.#state.awake === undefined && this.#state.claiming === undefined && this.#state.waiting.length === 0;
  }

  /** Resolves when it is idle. */
  whenIdle(): Promise<void> {
    if (this.idle) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#idleWaiters ??= [];
    this.#idleWaiters.push(resolve);
    return promise;
  }

  /** What the state store had of it, asked for when its session had `token`; undefined: nothing. */
  lookedUp(token: bigint, row: ConsumerRow | undefined): void {
    if (row === undefined) {
      if (this.#state.awake?.token === token) this.#stored = false;
      return this.dispatch({ kind: "looked-up", token, kept: undefined });
    }
    const { sessionToken, moves, ackedOffset, ranges } = row;
    // Moved to another receiver, its place is one of another log.
    const settled = row.receiverId === this.#deps.receiverId ? { mark: ackedOffset, ranges } : this.settled;
    return this.dispatch({ kind: "looked-up", token, kept: { token: sessionToken, moves, settled } });
  }

  /** The state store refused a write of the session with this token. Why is looked up: only who was taken over has to stay away. */
  fenced(token: bigint): void {
    if (this.#state.awake?.token !== token || this.#refused === token) return;
    this.#refused = token;
    void this.#lookUp(token);
  }

  async #lookUp(token: bigint): Promise<void> {
    try {
      this.lookedUp(token, await this.#deps.store.consumer(this.name));
    } catch (error) {
      this.#deps.logger.warn("consumer not looked up", { consumer: this.name, error: toWarrenError(error).message });
    }
    // It cannot go on in any case.
    this.dispatch({ kind: "fenced", token });
  }

  /** W6: whether an open may end the session it has. */
  yieldsTo(message: NewSubscription): boolean {
    const { awake, claiming } = this.#state;
    return awake !== undefined && claiming === undefined && wins(message, awake.session);
  }

  /** An operator, or the breaker, paused it (and that is saved), or resumed it. */
  setPaused(reason: string | undefined): void {
    this.#paused = reason;
    this.#pauses += 1;
    this.dispatch(reason === undefined ? { kind: "resumed" } : { kind: "paused", reason });
  }

  /** Resolves when acks of these side deliveries, sent before, are saved. */
  whenSettled(deliveryIds: readonly bigint[]): Promise<void> {
    return this.#parking.whenSettled(deliveryIds);
  }

  /** A session for this name. */
  open(message: NewSubscription, stream: SessionStream): void {
    const { sessionId } = stream;
    this.#sessions ??= new Map();
    this.#sessions.set(sessionId, { message, stream });
    const spec: SessionSpec = {
      sessionId,
      instanceId: message.instanceId,
      onConflict: message.onConflict,
      onGap: message.onGap,
      ackMode: message.ackMode,
      maxInFlight: message.maxInFlight,
      maxInFlightBytes: message.maxInFlightBytes,
      sessionTimeoutMs: message.sessionTimeoutMs,
    };
    this.dispatch({ kind: "open", session: spec });
  }

  /** Feeds the machine. Inputs that come while effects run wait for their turn, so that effects stay in order. */
  dispatch(input: ConsumerInput): void {
    if (this.#running) {
      this.#inputs ??= [];
      this.#inputs.push(input);
      return;
    }
    this.#running = true;
    try {
      for (let next: ConsumerInput | undefined = input; next !== undefined; next = this.#inputs?.shift()) {
        const before = this.phase;
        const { state, effects } = stepConsumer(this.#state, next, this.#deps.clock.monotonicMs());
        this.#state = state;
        if (this.phase !== before) this.#stateSince = this.#deps.clock.wallMs();
        for (const effect of effects) this.#run(effect);
      }
    } finally {
      this.#running = false;
    }
    if (this.idle) this.#rest();
  }

  /** Nothing is kept of sessions that were. */
  #rest(): void {
    this.#inputs = undefined;
    if (this.#sessions?.size === 0) this.#sessions = undefined;
    const waiters = this.#idleWaiters;
    this.#idleWaiters = undefined;
    for (const resolve of waiters ?? []) resolve();
  }

  #run(effect: ConsumerEffect): void {
    switch (effect.kind) {
      case "claim":
        void this.#claim(effect.session.sessionId);
        return;
      case "claim-later":
        this.#deps.clock.after(effect.afterMs, () => this.dispatch({ kind: "claim-due" }));
        return;
      case "emit": {
        const { frame } = effect;
        if (frame.kind === "batch") this.#deps.sent(frame.to - frame.from);
        this.#sessions?.get(effect.sessionId)?.stream.push(frame);
        return;
      }
      case "stand-by":
        this.#sessions?.get(effect.sessionId)?.stream.push({ kind: "standby", activeSince: this.#stateSince });
        return;
      case "read-tail":
        this.#readTail(effect.sessionId, effect.offset);
        return;
      case "read-log":
        void this.#readLog(effect.sessionId, effect.afterOffset);
        return;
      case "retry-read":
        this.#deps.clock.after(this.#deps.backoff(effect.attempt), () => {
          this.dispatch({ kind: "read-retry", sessionId: effect.sessionId });
        });
        return;
      case "save":
        this.#deps.save(this, effect.token, effect.settled);
        return;
      case "load-sides":
        void this.#parking.load(effect.sessionId, effect.afterDeliveryId);
        return;
      case "settle-sides":
        void this.#parking.settle(effect.sessionId, effect.token, effect.deliveryIds);
        return;
      case "pause":
        void this.#parking.pause(effect.reason);
        return;
      case "end": {
        const session = this.#sessions?.get(effect.sessionId);
        this.#sessions?.delete(effect.sessionId);
        session?.stream.end(effect.error);
        return;
      }
      case "woke":
        this.#woke(effect.sessionId);
        return;
      case "slept":
        this.#deps.logger.info("consumer slept", {
          consumer: this.name,
          reason: effect.reason,
          ackedOffset: String(this.#state.settled.mark),
        });
        if (this.#state.awake === undefined) this.#deps.moved(this, false);
    }
  }

  #woke(sessionId: string): void {
    const { awake } = this.#state;
    const stream = this.#sessions?.get(sessionId)?.stream;
    if (awake === undefined || stream === undefined) return;
    this.#token = awake.token;
    this.#paused = awake.paused;
    this.#deps.logger.info("consumer woke", {
      consumer: this.name,
      sessionToken: String(awake.token),
      afterOffset: String(awake.settled.mark),
    });
    this.#deps.moved(this, true);
    const current = () => (this.#state.awake?.session.sessionId === sessionId ? this.#state.awake : undefined);
    stream.attach({
      pull: () => this.dispatch({ kind: "pull", sessionId }),
      ack: (command) => this.dispatch({ kind: "ack", sessionId, ...command }),
      park: (command) => this.#parking.park(sessionId, command),
      ping: () => this.dispatch({ kind: "ping", sessionId }),
      get sent() {
        const mine = current();
        return mine === undefined ? undefined : { offset: mine.next - 1n, deliveryId: mine.sides.lastSent };
      },
    });
  }

  async #claim(sessionId: string): Promise<void> {
    const session = this.#sessions?.get(sessionId);
    try {
      assert(session !== undefined, "a session that claims is open");
      // Not the stream's signal: a claim that was sent may have been granted, and must be heard.
      const pauses = this.#pauses;
      const granted = await this.#deps.claim(session.message, new AbortController().signal);
      const tail = this.#deps.tail();
      this.#stored = true;
      this.expireAfterMs = granted.expireAfterMs;
      // Paused or resumed while the claim was under way: the newer word counts.
      const paused = this.#pauses === pauses ? granted.paused : this.#paused;
      this.dispatch({ kind: "claimed", sessionId, grant: { ...granted, paused, head: tail.head, tailFirst: tail.first } });
    } catch (error) {
      this.dispatch({ kind: "claim-failed", sessionId, error: toWarrenError(error) });
    }
  }

  #readTail(sessionId: string, offset: Offset): void {
    const segment = this.#deps.tail().find(offset);
    assert(segment !== undefined, () => `the tail does not hold offset ${offset}`);
    this.dispatch({ kind: "segments", sessionId, segments: [segment] });
  }

  async #readLog(sessionId: string, afterOffset: Offset): Promise<void> {
    const signal = this.#sessions?.get(sessionId)?.stream.signal;
    if (signal === undefined) return;
    try {
      const { log, receiverId, chunk } = this.#deps;
      const result = await readChunk(log, receiverId, afterOffset, { chunk, signal });
      if (result.kind === "pruned") {
        this.dispatch({ kind: "pruned", sessionId, gap: result.gap });
        return;
      }
      const [first] = result.segments;
      // "Nothing" or a hole is an error, never "caught up".
      assert(
        first !== undefined && first.firstOffset <= afterOffset + 1n && lastOffsetOf(first) > afterOffset,
        `the log has a hole after ${afterOffset}`,
      );
      this.dispatch({ kind: "segments", sessionId, segments: result.segments });
    } catch (error) {
      if (!signal.aborted) this.dispatch({ kind: "read-failed", sessionId, error: toWarrenError(error) });
    }
  }
}

function toWarrenError(error: unknown): WarrenError {
  return isWarrenError(error) ? error : new WarrenError("ILLEGAL_STATE", "unexpected error", { cause: error });
}
