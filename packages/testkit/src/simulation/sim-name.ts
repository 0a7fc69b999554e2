import { WarrenError, type Offset, type Settled } from "@warren/protocol";
import type { Frame } from "@warren/receiver-core";
import {
  asleep,
  stepConsumer,
  type ConsumerEffect,
  type ConsumerInput,
  type ConsumerState,
  type Grant,
  type SessionSpec,
} from "@warren/receiver-core/machine";
import type { SimReceiver } from "./sim-receiver.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** What the broker's end of a stream gives to the program. */
export interface SimStream {
  frame(frame: Frame): void;
  end(error: WarrenError | undefined): void;
}

/** What a program kept of its own. */
export interface SimKnown {
  readonly offset: Offset;
  readonly moves: bigint;
}

/** What a session has acked to this broker. */
export interface SimAcked {
  readonly token: bigint;
  readonly settled: Settled;
}

/** What opens a session. */
export interface SimOpen {
  readonly spec: SessionSpec;
  readonly known: SimKnown | undefined;
  readonly stream: SimStream;
}

const away = new WarrenError("STORE_UNAVAILABLE", "simulated");

/** A consumer name in one broker: its machine as shipped, and effects that go through the simulated network. */
export class SimName {
  readonly name: string;
  readonly #world: World;
  readonly #receiver: SimReceiver;
  readonly #sessions = new Map<string, SimOpen>();
  #state: ConsumerState;
  /** By the newest session here. */
  acked: SimAcked | undefined;
  readonly #inputs: ConsumerInput[] = [];
  #running = false;

  constructor(world: World, receiver: SimReceiver, name: string, settled: Settled) {
    this.#state = asleep(settled);
    this.#world = world;
    this.#receiver = receiver;
    this.name = name;
  }

  get asleep(): boolean {
    return this.#state.awake === undefined;
  }

  /** A program's session. */
  open(open: SimOpen): void {
    this.#sessions.set(open.spec.sessionId, open);
    this.input({ kind: "open", session: open.spec });
  }

  /** Feeds the machine, as the shell does: what comes while effects run waits for its turn. */
  input(input: ConsumerInput): void {
    this.#inputs.push(input);
    if (this.#running) return;
    this.#running = true;
    for (let next = this.#inputs.shift(); next !== undefined; next = this.#inputs.shift()) {
      this.#world.stepped();
      const { state, effects } = stepConsumer(this.#state, next, this.#world.now);
      this.#state = state;
      const { kind } = next;
      this.#world.note(() => `${this.name}: ${kind} -> ${effects.map(describeEffect).join(", ")}`);
      for (const effect of effects) this.#run(effect);
    }
    this.#running = false;
  }

  /** An operator moved it. */
  moved(settled: Settled): void {
    this.input({ kind: "moved", settled, error: new WarrenError("CONSUMER_MOVED", "simulated") });
  }

  /** Looks its name up from time to time, as the shell does. */
  check(): void {
    if (this.#state.awake !== undefined) this.#lookUp(this.#state.awake.token, () => undefined);
  }

  /** A write was refused: why is looked up, as the shell does. */
  fenced(token: bigint): void {
    if (this.#state.awake?.token === token) this.#lookUp(token, () => this.input({ kind: "fenced", token }));
  }

  #lookUp(token: bigint, then: () => void): void {
    this.#db(`check-${this.name}`, () => {
      const kept = this.#world.consumers.kept(this.name);
      return () => {
        const awake = !this.asleep;
        this.input({ kind: "looked-up", token, kept });
        if (awake && this.asleep) this.#world.cover("happened-elsewhere");
        then();
      };
    });
  }

  /** An ack of the program. The SDK must know what was sent to it. */
  ack(sessionId: string, { mark, ranges }: Settled, deliveryIds: readonly bigint[]): void {
    const { awake } = this.#state;
    if (awake?.session.sessionId !== sessionId) return;
    const highest = ranges.at(-1)?.last ?? mark;
    rule(highest < awake.next, `W7: the SDK acks ${highest}, but ${awake.next - 1n} is the last that was sent`);
    this.input({ kind: "ack", sessionId, upTo: mark, ranges, deliveryIds });
  }

  /** Sets an event of a session aside, as the shell does: saved first, then told to the machine. */
  park(sessionId: string, offset: Offset): void {
    const { awake } = this.#state;
    if (awake?.session.sessionId !== sessionId) return;
    rule(offset < awake.next, `W7: the SDK parks ${offset}, but ${awake.next - 1n} is the last that was sent`);
    const { token } = awake;
    const { consumers, cover } = this.#world;
    this.#db(`park-${this.name}`, () => {
      if (offset < this.#receiver.log.oldest) {
        cover("park-refused");
        return () => this.#sessions.get(sessionId)?.stream.frame({ kind: "refused", error: away, what: { offset } });
      }
      const held = consumers.park(this.name, token, offset);
      if (held) cover("parked");
      return () => (held ? this.input({ kind: "parked", sessionId, offset }) : this.fenced(token));
    });
  }

  /** A side delivery failed again. */
  parkSide(sessionId: string, deliveryId: bigint): void {
    const { awake } = this.#state;
    if (awake?.session.sessionId !== sessionId || !awake.sides.outstanding.includes(deliveryId)) return;
    const { token } = awake;
    this.#db(`park-${this.name}`, () => {
      const held = this.#world.consumers.parkAgain(this.name, token, deliveryId);
      this.#world.cover(held ? "parked-again" : "side-fenced");
      return () => (held ? this.input({ kind: "sides-settled", sessionId, deliveryIds: [deliveryId] }) : this.fenced(token));
    });
  }

  /** Asks the database, then hears its answer. */
  #db(link: string, ask: () => () => void): void {
    this.#receiver.ask(link, ask);
  }

  #emit(sessionId: string, frame: Frame): void {
    const { cover } = this.#world;
    if (frame.kind === "fell-behind" || frame.kind === "caught-up" || frame.kind === "heartbeat") cover(frame.kind);
    if (frame.kind === "gap") cover(`gap-${frame.gap.kind}`);
    const session = this.#sessions.get(sessionId);
    rule(session !== undefined, `W6: ${this.name} has a frame for a session that has ended`);
    session.stream.frame(frame);
  }

  #run(effect: ConsumerEffect): void {
    const { cover, random, network, consumers, faults } = this.#world;
    const { name } = this;
    switch (effect.kind) {
      case "claim":
        return this.#claim(effect.session.sessionId);
      case "claim-later":
        cover("take-over-damped");
        network.timer(`claim-${name}`, this.#receiver.alive, effect.afterMs, () => this.input({ kind: "claim-due" }));
        return;
      case "emit":
        return this.#emit(effect.sessionId, effect.frame);
      case "stand-by":
        cover("standby");
        this.#sessions.get(effect.sessionId)?.stream.frame({ kind: "standby", activeSince: 0 });
        return;
      case "read-tail": {
        const segment = this.#receiver.tail.find(effect.offset);
        rule(segment !== undefined, `W5: the tail does not hold ${effect.offset}`);
        cover("read-tail");
        return this.input({ kind: "segments", sessionId: effect.sessionId, segments: [segment] });
      }
      case "read-log":
        return this.#read(effect.sessionId, effect.afterOffset);
      case "retry-read":
        network.timer(`retry-${effect.sessionId}`, this.#receiver.alive, 2, () =>
          this.input({ kind: "read-retry", sessionId: effect.sessionId }),
        );
        return;
      case "save":
        this.acked = effect;
        return this.#receiver.save(name, effect.token, effect.settled);
      case "load-sides":
        return this.#db(`side-${name}`, () => {
          const found = consumers.retrying(name, effect.afterDeliveryId).slice(0, 2);
          const events = found.map(({ offset, deliveryId }) => {
            // Parked events are kept with their bytes, also when the log has them no more.
            return { deliveryId, batch: this.#receiver.log.event(offset), reason: "simulated", attempts: 1 };
          });
          return () => this.input({ kind: "sides", sessionId: effect.sessionId, events, more: found.length === 2 });
        });
      case "settle-sides": {
        const { sessionId, token, deliveryIds } = effect;
        return this.#db(`side-${name}`, () => {
          const held = consumers.settleRetried(name, token, deliveryIds);
          cover(held ? "side-settled" : "side-fenced");
          return () => (held ? this.input({ kind: "sides-settled", sessionId, deliveryIds }) : this.fenced(token));
        });
      }
      case "pause":
        cover("breaker");
        this.input({ kind: "paused", reason: effect.reason });
        // An operator looks, and resumes it.
        network.timer(`operator-${name}`, this.#receiver.alive, faults ? random.below(40) : 0, () => this.input({ kind: "resumed" }));
        return;
      case "end": {
        const session = this.#sessions.get(effect.sessionId);
        this.#sessions.delete(effect.sessionId);
        if (effect.error !== undefined) cover(`ended-${effect.error.code}`);
        session?.stream.end(effect.error);
        return;
      }
      case "woke":
      case "slept":
    }
  }

  #claim(sessionId: string): void {
    const known = this.#sessions.get(sessionId)?.known;
    this.#receiver.claimName(this.name, known, (granted) => {
      if (granted === undefined) return this.input({ kind: "claim-failed", sessionId, error: away });
      const { tail } = this.#receiver;
      const grant: Grant = {
        ...granted,
        paused: undefined,
        receiverKey: this.#receiver.key,
        logId: "log",
        migratedFrom: "",
        head: tail.head,
        tailFirst: tail.first,
      };
      return this.input({ kind: "claimed", sessionId, grant });
    });
  }

  #read(sessionId: string, afterOffset: Offset): void {
    const { cover, random } = this.#world;
    cover("read-log");
    this.#receiver.ask(`read-${sessionId}`, () => {
      if (this.#world.faults && random.chance(0.1)) return () => this.input({ kind: "read-failed", sessionId, error: away });
      const result = this.#receiver.log.read(afterOffset, 2);
      if (result.kind === "pruned") return () => this.input({ kind: "pruned", sessionId, gap: result.gap });
      return () => this.input({ kind: "segments", sessionId, segments: result.segments });
    });
  }
}

function describeEffect(effect: ConsumerEffect): string {
  if (effect.kind !== "emit") return effect.kind;
  const { frame } = effect;
  const where =
    frame.kind === "opened"
      ? ` at ${frame.settled.mark}`
      : frame.kind === "batch"
        ? ` from ${frame.batch.firstOffset + BigInt(frame.from)}`
        : "";
  return `emit ${frame.kind}${where}`;
}
