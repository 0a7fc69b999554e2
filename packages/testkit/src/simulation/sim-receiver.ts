import type { MissedGap } from "@warren/event-store";
import { covers, raiseMark, WarrenError, type Settled } from "@warren/protocol";
import {
  startReceiver,
  stepReceiver,
  type Grant,
  type PendingMessage,
  type ReceiverEffect,
  type ReceiverInput,
  type ReceiverState,
} from "@warren/receiver-core/machine";
import { Tail } from "@warren/replay";
import type { SimBroker } from "./sim-broker.ts";
import type { SimLog } from "./sim-log.ts";
import { SimName, type SimAcked, type SimKnown } from "./sim-name.ts";
import type { SimDelivery, SimQueue } from "./sim-queue.ts";
import { SimUpkeep, type UpkeepOwner } from "./sim-upkeep.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** Few: a tail here holds a few segments. */
const packedTogether = 2;

/** A receiver in PostgreSQL and RabbitMQ, whoever writes it. */
export interface SimReceiverRow {
  readonly key: string;
  readonly log: SimLog;
  readonly queue: SimQueue;
  /** Consumer names that read it. */
  readonly names: readonly string[];
  /** Its queue was made once: when it is not there any more, events may be missing. */
  made: boolean;
}

/** What a claim of a name gives. */
export type SimGrant = Pick<Grant, "token" | "settled" | "moves" | "resumed" | "retrying" | "gaps">;

/** One receiver in one broker: the write side's machine as shipped, and its shell. */
export class SimReceiver {
  readonly #world: World;
  readonly #broker: SimBroker;
  readonly #row: SimReceiverRow;
  readonly names = new Map<string, SimName>();
  readonly tail: Tail;
  #state: ReceiverState;
  #channel = 0;
  #consuming = false;
  #recording = false;
  #gaps: readonly MissedGap[] = [];
  readonly #upkeep: SimUpkeep;

  constructor(world: World, broker: SimBroker, row: SimReceiverRow) {
    this.#world = world;
    this.#broker = broker;
    this.#row = row;
    this.tail = new Tail(0n, broker.tails, () => this.#stored(), packedTogether);
    // Restored, as the receiver manager does when it starts.
    for (const name of row.names) {
      const settled = world.consumers.settled(name);
      if (settled !== undefined) this.names.set(name, new SimName(world, this, name, settled));
    }
    this.#upkeep = new SimUpkeep(world, row, this.#upkeepOwner());
    const { state, effects } = startReceiver();
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  get key(): string {
    return this.#row.key;
  }

  get log(): SimLog {
    return this.#row.log;
  }

  get running(): boolean {
    return this.#broker.up && this.#state.phase === "running";
  }

  readonly alive = (): boolean => this.#broker.up;

  /** Asks the database; its answer is heard when the broker still lives. */
  ask(link: string, question: () => () => void): void {
    const { network } = this.#world;
    const full = `${this.#broker.id}-${this.key}-${link}`;
    network.send(`db-${full}`, this.alive, () => {
      const answer = question();
      network.send(`answer-${full}`, this.alive, answer);
    });
  }

  save(name: string, token: bigint, settled: Settled): void {
    this.#broker.offsets.ack(name, token, settled);
  }

  name(name: string): SimName {
    const found = this.names.get(name) ?? new SimName(this.#world, this, name, { mark: 0n, ranges: [] });
    this.names.set(name, found);
    return found;
  }

  /** RabbitMQ hands over a message, or the channel is opened first. */
  deliver(): void {
    const { queue } = this.#row;
    if (!this.#consuming || !this.running) return;
    if (this.#channel === 0) return this.#open();
    const first = queue.deliver(this.#broker.id);
    if (first === undefined) return;
    const deliveries = [first];
    // Several may come in one read of the socket.
    while (this.#world.random.chance(0.3)) {
      const next = queue.deliver(this.#broker.id);
      if (next === undefined) break;
      deliveries.push(next);
    }
    this.#input({ kind: "delivered", channel: first.channel, messages: deliveries.map((delivery) => this.#pending(delivery)) });
    // The shell does so when a segment is full.
    if (this.#world.random.chance(0.3)) this.#input({ kind: "form-next" });
    // Other receivers may have used up the memory.
    if (this.#world.faults && this.#world.random.chance(0.02)) this.#input({ kind: "shed" });
  }

  #pending({ tag, message }: SimDelivery): PendingMessage {
    // A pack carries events for others too.
    const events = message.slices.filter(({ event }) => this.#row.queue.types.has(event.type));
    if (message.slices.length > 1) this.#world.cover("pack");
    const rejected =
      message.spoiled === undefined ? [] : [{ reason: "malformed", detail: message.spoiled, bytes: new Uint8Array(1) } as const];
    const bytes = message.slices.reduce((sum, slice) => sum + slice.bytes.length, 0);
    return { tag, bytes, unpack: () => ({ events, rejected }) };
  }

  /** Makes the queue when it is not there: W9, what may be missing is recorded first. */
  #open(): void {
    const row = this.#row;
    if (this.#recording) return;
    if (!row.queue.exists && row.made) {
      this.#recording = true;
      this.#input({ kind: "queue-missing" });
      return;
    }
    row.queue.exists = true;
    row.made = true;
    this.#channel = this.#world.nextNumber();
    row.queue.open(this.#broker.id, this.#channel);
    this.#input({ kind: "opened", channel: this.#channel });
  }

  #recordMissed(epoch: bigint): void {
    const row = this.#row;
    this.ask("gap", () => {
      const gap = row.log.recordMissed(epoch);
      if (gap !== undefined) this.#world.missed(row, gap);
      return () => {
        this.#recording = false;
        if (gap === undefined) return;
        row.queue.exists = true;
        this.#gaps = [...this.#gaps, gap];
        this.#world.cover("queue-made-again");
        for (const name of this.names.values()) name.input({ kind: "gap-recorded", gap });
      };
    });
  }

  loseChannel(): void {
    if (this.#channel === 0) return;
    const closed = this.#channel;
    this.#channel = 0;
    if (this.#row.queue.close(this.#broker.id)) this.#world.cover("redelivery");
    this.#input({ kind: "closed", channel: closed });
  }

  checkLease(): void {
    if (!this.running) return;
    this.ask("lease", () => {
      const { epoch, headOffset } = this.log.status();
      return () => this.#input({ kind: "checked", epoch, head: headOffset });
    });
  }

  /** Takes a log again that another broker took: someone asked for it here. */
  reclaim(): void {
    this.#input({ kind: "reclaim" });
  }

  /** Takes a name in the state store, as the receiver's shell does: what the last session acked is saved first. */
  claimName(name: string, known: SimKnown | undefined, done: (granted: SimGrant | undefined) => void): void {
    if (!this.running) {
      // Someone asks for it here: the log is taken again, and the program asks again.
      this.#input({ kind: "reclaim" });
      return this.#world.network.send(`claim-${this.#broker.id}-${name}`, this.alive, () => done(undefined));
    }
    const answered = (granted: SimGrant | undefined): void => {
      this.#upkeep.claimed();
      done(granted);
    };
    const acked = this.names.get(name)?.acked;
    const claim = (): void => this.#broker.offsets.flush(() => this.ask(`name-${name}`, () => this.#claimed(name, known, acked, answered)));
    this.#upkeep.claim(claim);
    return undefined;
  }

  #claimed(
    name: string,
    known: SimKnown | undefined,
    acked: SimAcked | undefined,
    done: (granted: SimGrant | undefined) => void,
  ): () => void {
    const { consumers, faults, random } = this.#world;
    const failed = faults && random.chance(0.05);
    const last = consumers.token(name);
    const claim = consumers.claim(name, this.#broker.id);
    rule(
      acked === undefined || acked.token !== last || covers(claim.settled, acked.settled),
      `W7: ${name} is claimed before what was acked to this very broker is saved`,
    );
    return () => {
      if (failed || !this.running) return done(undefined);
      const mark = known !== undefined && known.moves === claim.moves ? known.offset : 0n;
      const settled = raiseMark(claim.settled, mark);
      if (mark > claim.settled.mark) this.#broker.offsets.ack(name, claim.token, settled);
      const gaps = this.#gaps.filter((gap) => gap.afterOffset >= settled.mark);
      return done({ ...claim, settled, gaps });
    };
  }

  /** One pass of retention. */
  prune(): void {
    if (this.running) this.#upkeep.pass();
  }

  #upkeepOwner(): UpkeepOwner {
    const state = (): ReceiverState => this.#state;
    return {
      brokerId: this.#broker.id,
      get state() {
        return state();
      },
      flush: (done) => this.#broker.offsets.flush(done),
      ask: (link, question) => this.ask(link, question),
      isAsleep: (name) => this.names.get(name)?.asleep ?? true,
      pruned: (oldest) => {
        this.tail.cut(oldest);
        this.#stored();
      },
    };
  }

  /** What waits for the database is gone with the process. */
  crash(): void {
    this.#row.queue.close(this.#broker.id);
  }

  #input(input: ReceiverInput): void {
    const before = this.#state.work.kind;
    this.#world.stepped();
    const { state, effects } = stepReceiver(this.#state, input);
    this.#state = state;
    this.#world.note(
      () => `receiver ${this.key} of broker ${this.#broker.id}: ${input.kind} -> ${effects.map(({ kind }) => kind).join(", ")}`,
    );
    if (before === "resolving" && state.work.kind === "idle") this.#world.cover("resolved-stored");
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: ReceiverEffect): void {
    const { cover, random, network, faults } = this.#world;
    const { log } = this.#row;
    switch (effect.kind) {
      case "claim":
        return this.ask("log", () => {
          if (faults && random.chance(0.1)) return () => this.#input({ kind: "claim-failed" });
          const claim = log.claim();
          this.#world.note(() => `log ${this.key}: broker ${this.#broker.id} has epoch ${claim.epoch}, head ${claim.headOffset}`);
          const gaps = [...log.missed];
          return () => {
            this.#gaps = gaps;
            this.#input({ kind: "claimed", claim });
          };
        });
      case "consume":
        this.#consuming = true;
        return;
      case "append":
        return this.#append(effect);
      case "prepare":
        cover("formed-ahead");
        return;
      case "resolve":
        return this.ask("log", () => {
          if (random.chance(0.2)) return () => this.#input({ kind: "resolve-failed" });
          const known = log.known(effect.events);
          // Two queries, as the shell asks them: anything may happen between.
          return () =>
            this.ask("log", () => {
              const { epoch, headOffset } = log.status();
              return () => this.#input({ kind: "resolved", epoch, head: headOffset, known });
            });
        });
      case "ack":
        return this.#ack(effect.channel, effect.tag);
      case "publish":
        this.tail.push(effect.segment);
        return this.#stored();
      case "advance":
        if (effect.head > this.tail.head && this.#state.phase === "running" && this.tail.head > 0n) cover("head-advanced");
        this.tail.advance(effect.head);
        return this.#stored();
      case "retry-later":
        network.timer(`retry-${this.#broker.id}-${this.key}`, this.alive, 2, () => this.#input({ kind: "retry" }));
        return;
      case "count":
        if (effect.repeats > 0) cover("repeat-dropped");
        if (effect.quarantined > 0) cover("quarantined");
        return;
      case "pause-queue":
        cover("shed");
        this.#leaveQueue();
        network.timer(`room-${this.#broker.id}-${this.key}`, this.alive, 3, () => this.#input({ kind: "room" }));
        return;
      case "resume-queue":
        this.#consuming = true;
        return;
      case "record-missed":
        return this.#recordMissed(effect.epoch);
      case "close-queue":
        this.#recording = false;
        return this.#leaveQueue();
      case "give-up":
        cover("fenced");
        for (const name of this.names.values()) name.input({ kind: "shut", error: new WarrenError("FENCED", "simulated") });
    }
  }

  /** An ack takes time, and is lost with its channel. */
  #ack(channel: number, tag: number): void {
    const { queue, log } = this.#row;
    queue.checkAck(this.#broker.id, channel, tag, (slice) => log.kept(slice), log.aside);
    this.#upkeep.ackSent();
    this.#world.network.send(
      `ack-${channel}`,
      () => true,
      () => {
        this.#upkeep.ackArrived();
        if (!queue.ack(this.#broker.id, channel, tag)) this.#world.cover("ack-lost");
      },
    );
  }

  #leaveQueue(): void {
    this.#consuming = false;
    if (this.#channel === 0) return;
    this.#channel = 0;
    this.#row.queue.close(this.#broker.id);
  }

  #append({ epoch, head, events, quarantined }: Extract<ReceiverEffect, { kind: "append" }>): void {
    const { cover, random, network, faults } = this.#world;
    const { log } = this.#row;
    this.ask("log", () => {
      const luck = faults ? random.next() : 1;
      if (luck < 0.04) return () => this.#input({ kind: "append-failed" });
      if (luck < 0.12) {
        // The connection broke: it may have happened, or not, or happen later.
        const committed = random.chance(0.5);
        if (committed) log.append(epoch, head, events, quarantined);
        else if (random.chance(0.5)) {
          const late = (): void => {
            if (log.append(epoch, head, events, quarantined).kind === "appended") cover("late-commit");
          };
          network.send(`late-${this.#world.nextNumber()}`, () => true, late);
        }
        cover(committed ? "unknown-committed" : "unknown-not-committed");
        return () => this.#input({ kind: "append-unknown" });
      }
      const result = log.append(epoch, head, events, quarantined);
      if (result.kind !== "appended") cover(`append-${result.kind}`);
      return () => this.#input({ kind: "append-answered", result });
    });
  }

  #stored(): void {
    const { head, first, newest } = this.tail;
    for (const name of this.names.values()) name.input({ kind: "stored", head, tailFirst: first, newest });
  }

  describe(): string {
    return `${this.key} on broker ${this.#broker.id}: ${this.#state.phase}, ${this.#state.work.kind}, channel ${this.#channel}, head ${this.tail.head}`;
  }
}
