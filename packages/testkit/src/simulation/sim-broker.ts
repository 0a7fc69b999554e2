import { WarrenError } from "@warren/protocol";
import { Tail } from "@warren/replay";
import { stepConsumer } from "@warren/receiver-core/machine";
import { asleep, type ConsumerEffect, type ConsumerInput, type ConsumerState, type SessionSpec } from "@warren/receiver-core/machine";
import { startReceiver, stepReceiver, type ReceiverEffect, type ReceiverInput, type ReceiverState } from "@warren/receiver-core/machine";
import type { Frame } from "@warren/receiver-core";
import type { World } from "./world.ts";

/** What the broker's end of a stream gives to the client. */
export interface SimStream {
  frame(frame: Frame): void;
  end(error: WarrenError | undefined): void;
}

const away = new WarrenError("STORE_UNAVAILABLE", "simulated");

/** One broker process: the shipped machines, and effects that go through the simulated network. */
export class SimBroker {
  readonly id: number;
  readonly #world: World;
  readonly #consumers = new Map<string, ConsumerState>();
  readonly #streams = new Map<string, SimStream>();
  #tail: Tail;
  #receiver: ReceiverState;
  #channel = 0;
  #consuming = false;
  up = true;

  constructor(world: World, id: number) {
    this.#world = world;
    this.id = id;
    this.#tail = new Tail(0n, 60);
    const { state, effects } = startReceiver();
    this.#receiver = state;
    for (const effect of effects) this.#runReceiver(effect);
  }

  get fenced(): boolean {
    return this.#receiver.phase === "fenced";
  }

  get running(): boolean {
    return this.up && this.#receiver.phase === "running";
  }

  open(name: string, spec: SessionSpec, stream: SimStream): void {
    this.#streams.set(spec.sessionId, stream);
    this.#toConsumer(name, { kind: "open", session: spec });
  }

  input(name: string, input: ConsumerInput): void {
    this.#toConsumer(name, input);
  }

  /** Sets an event of a session aside, as the shell does: saved first, then told to the machine. */
  park(name: string, sessionId: string, offset: bigint): void {
    const awake = this.#consumers.get(name)?.awake;
    if (awake?.session.sessionId !== sessionId || offset >= awake.next) return;
    const { token } = awake;
    this.#db(`park-${name}`, () => {
      const held = this.#world.db.park(name, token, offset);
      if (held) this.#world.cover("parked");
      this.#answer(`park-${name}`, () => this.#toConsumer(name, held ? { kind: "parked", sessionId, offset } : { kind: "fenced", token }));
    });
  }

  /** RabbitMQ hands over a message, or the channel is opened first. */
  deliver(): void {
    if (!this.#consuming || !this.running) return;
    const { queue, cover } = this.#world;
    if (this.#channel === 0) {
      this.#channel = this.#world.nextChannel();
      queue.open(this.id, this.#channel);
      this.#toReceiver({ kind: "opened", channel: this.#channel });
      return;
    }
    const delivery = queue.deliver(this.id);
    if (delivery === undefined) return;
    const events = delivery.message.ids.map((id) => this.#world.slice(id));
    if (events.length > 1) cover("pack");
    const bytes = events.reduce((sum, event) => sum + event.bytes.length, 0);
    this.#toReceiver({ kind: "delivered", channel: delivery.channel, message: { tag: delivery.tag, events, rejected: [], bytes } });
    // Other receivers may have used up the memory.
    if (this.#world.faults && this.#world.random.chance(0.02)) this.#toReceiver({ kind: "shed" });
  }

  loseChannel(): void {
    if (this.#channel === 0) return;
    const closed = this.#channel;
    this.#channel = 0;
    if (this.#world.queue.close(this.id)) this.#world.cover("redelivery");
    this.#toReceiver({ kind: "closed", channel: closed });
  }

  checkLease(): void {
    if (!this.running) return;
    this.#db("lease", () => {
      const { epoch, headOffset } = this.#world.db.status();
      this.#answer("lease", () => this.#toReceiver({ kind: "checked", epoch, head: headOffset }));
    });
  }

  crash(): void {
    this.up = false;
    this.#world.queue.close(this.id);
    this.#world.cover("crash");
  }

  #alive = (): boolean => this.up;

  #db(link: string, run: () => void): void {
    this.#world.network.send(`db-${this.id}-${link}`, this.#alive, run);
  }

  #answer(link: string, run: () => void): void {
    this.#world.network.send(`answer-${this.id}-${link}`, this.#alive, run);
  }

  #toReceiver(input: ReceiverInput): void {
    const before = this.#receiver.work.kind;
    const { state, effects } = stepReceiver(this.#receiver, input);
    this.#receiver = state;
    if (before === "resolving" && state.work.kind === "idle") this.#world.cover("resolved-stored");
    for (const effect of effects) this.#runReceiver(effect);
  }

  #runReceiver(effect: ReceiverEffect): void {
    const { db, queue, cover, random, network } = this.#world;
    switch (effect.kind) {
      case "claim":
        this.#db("log", () => {
          if (random.chance(0.1)) return this.#answer("log", () => this.#toReceiver({ kind: "claim-failed" }));
          const claim = db.claim();
          return this.#answer("log", () => this.#toReceiver({ kind: "claimed", claim }));
        });
        return;
      case "consume":
        this.#consuming = true;
        return;
      case "append":
        this.#append(effect);
        return;
      case "resolve":
        this.#db("log", () => {
          if (random.chance(0.2)) return this.#answer("log", () => this.#toReceiver({ kind: "resolve-failed" }));
          const known = db.known(effect.events);
          // Two queries, as the shell asks them: anything may happen between.
          return this.#db("log", () => {
            const { epoch, headOffset } = db.status();
            this.#answer("log", () => this.#toReceiver({ kind: "resolved", epoch, head: headOffset, known }));
          });
        });
        return;
      case "ack":
        if (!queue.ack(this.id, effect.channel, effect.tag, (id) => db.kept(id))) cover("ack-of-closed-channel");
        return;
      case "publish":
        this.#tail.push(effect.segment);
        this.#stored();
        return;
      case "advance":
        if (effect.head > this.#tail.head && this.#receiver.phase === "running" && this.#tail.head > 0n) cover("head-advanced");
        this.#tail.advance(effect.head);
        this.#stored();
        return;
      case "retry-later":
        network.send(`timer-${this.id}`, this.#alive, () => this.#toReceiver({ kind: "retry" }));
        return;
      case "count":
        if (effect.repeats > 0) cover("repeat-dropped");
        return;
      case "pause-queue":
        cover("shed");
        this.#leaveQueue();
        network.send(`timer-${this.id}`, this.#alive, () => this.#toReceiver({ kind: "room" }));
        return;
      case "resume-queue":
        this.#consuming = true;
        return;
      case "close-queue":
        this.#leaveQueue();
        return;
      case "give-up":
        cover("fenced");
        for (const name of this.#consumers.keys()) this.#toConsumer(name, { kind: "shut", error: new WarrenError("FENCED", "simulated") });
    }
  }

  #leaveQueue(): void {
    this.#consuming = false;
    this.#channel = 0;
    this.#world.queue.close(this.id);
  }

  #append({ epoch, head, events, quarantined }: Extract<ReceiverEffect, { kind: "append" }>): void {
    const { db, cover, random, network, faults } = this.#world;
    const run = () => db.append(epoch, head, events, quarantined);
    const luck = faults ? random.next() : 1;
    this.#db("log", () => {
      if (luck < 0.05) {
        this.#answer("log", () => this.#toReceiver({ kind: "append-failed" }));
        return;
      }
      if (luck < 0.18) {
        const committed = luck < 0.1;
        if (committed) run();
        else if (luck < 0.14) {
          // The statement waits in a backend of the database and may run at any later time, also after this broker died.
          network.send(
            `backend-${random.below(1_000_000)}`,
            () => true,
            () => {
              if (run().kind === "appended") cover("late-commit");
            },
          );
        }
        cover(committed ? "unknown-committed" : "unknown-not-committed");
        this.#answer("log", () => this.#toReceiver({ kind: "append-unknown" }));
        return;
      }
      const result = run();
      if (result.kind !== "appended") cover(`append-${result.kind}`);
      this.#answer("log", () => this.#toReceiver({ kind: "append-answered", result }));
    });
  }

  #stored(): void {
    const input: ConsumerInput = { kind: "stored", head: this.#tail.head, tailFirst: this.#tail.first };
    for (const name of this.#consumers.keys()) this.#toConsumer(name, input);
  }

  #toConsumer(name: string, input: ConsumerInput): void {
    const before = this.#consumers.get(name) ?? asleep({ mark: 0n, ranges: [] });
    const { state, effects } = stepConsumer(before, input, this.#world.now);
    this.#consumers.set(name, state);
    for (const effect of effects) this.#runConsumer(name, effect);
  }

  #runConsumer(name: string, effect: ConsumerEffect): void {
    const { db, cover, random, network } = this.#world;
    switch (effect.kind) {
      case "claim": {
        const { sessionId } = effect.session;
        this.#db(`name-${name}`, () => {
          const failed = this.#world.faults && random.chance(0.05);
          const { token, settled, resumed, retrying } = db.claimName(name);
          this.#answer(`name-${name}`, () => {
            if (failed || !this.running) return this.#toConsumer(name, { kind: "claim-failed", sessionId, error: away });
            const { head, first } = this.#tail;
            const place = { token, settled, resumed, retrying, moves: 0n, paused: undefined };
            const grant = { ...place, receiverKey: "key", logId: "log", migratedFrom: "", head, tailFirst: first, gaps: [] };
            return this.#toConsumer(name, { kind: "claimed", sessionId, grant });
          });
        });
        return;
      }
      case "claim-later":
        cover("take-over-damped");
        network.send(`timer-${this.id}`, this.#alive, () => this.#toConsumer(name, { kind: "claim-due" }));
        return;
      case "emit":
        if (effect.frame.kind === "fell-behind") cover("fell-behind");
        if (effect.frame.kind === "caught-up") cover("caught-up");
        this.#streams.get(effect.sessionId)?.frame(effect.frame);
        return;
      case "stand-by":
        cover("standby");
        return;
      case "read-tail": {
        const segment = this.#tail.find(effect.offset);
        cover("read-tail");
        this.#toConsumer(name, { kind: "segments", sessionId: effect.sessionId, segments: segment === undefined ? [] : [segment] });
        return;
      }
      case "read-log": {
        const { sessionId, afterOffset } = effect;
        cover("read-log");
        this.#db(`read-${sessionId}`, () => {
          const fails = this.#world.faults && random.chance(0.1);
          const segments = db.read(afterOffset, 2);
          this.#answer(`read-${sessionId}`, () =>
            this.#toConsumer(name, fails ? { kind: "read-failed", sessionId, error: away } : { kind: "segments", sessionId, segments }),
          );
        });
        return;
      }
      case "retry-read":
        this.#answer(`retry-${effect.sessionId}`, () => this.#toConsumer(name, { kind: "read-retry", sessionId: effect.sessionId }));
        return;
      case "save":
        this.#db(`save-${name}`, () => {
          const saved = db.save(name, effect.token, effect.settled);
          if (saved === "fenced") cover("save-fenced");
          this.#answer(`save-${name}`, () =>
            this.#toConsumer(
              name,
              saved === "fenced" ? { kind: "fenced", token: effect.token } : { kind: "saved", token: effect.token, settled: saved },
            ),
          );
        });
        return;
      case "load-sides":
        this.#db(`side-${name}`, () => {
          const found = db.retrying(name, effect.afterDeliveryId).slice(0, 2);
          const events = found.map(({ offset, deliveryId }) => ({ deliveryId, batch: db.event(offset), reason: "simulated", attempts: 1 }));
          this.#answer(`side-${name}`, () =>
            this.#toConsumer(name, { kind: "sides", sessionId: effect.sessionId, events, more: found.length === 2 }),
          );
        });
        return;
      case "settle-sides":
        this.#db(`side-${name}`, () => {
          const { sessionId, token, deliveryIds } = effect;
          const held = db.settleRetried(name, token, deliveryIds);
          cover(held ? "side-settled" : "side-fenced");
          this.#answer(`side-${name}`, () =>
            this.#toConsumer(name, held ? { kind: "sides-settled", sessionId, deliveryIds } : { kind: "fenced", token }),
          );
        });
        return;
      case "pause":
        cover("breaker");
        this.#toConsumer(name, { kind: "paused", reason: effect.reason });
        // An operator looks, and resumes it.
        network.send(`operator-${this.id}`, this.#alive, () => this.#toConsumer(name, { kind: "resumed" }));
        return;
      case "end":
        if (effect.error?.code === "TAKEN_OVER") cover("taken-over");
        if (effect.error?.code === "SESSION_SILENT") cover("silent");
        this.#streams.get(effect.sessionId)?.end(effect.error);
        this.#streams.delete(effect.sessionId);
        return;
      case "woke":
      case "slept":
    }
  }
}
