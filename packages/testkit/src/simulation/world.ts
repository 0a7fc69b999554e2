import type { MissedGap } from "@warren/event-store";
import type { Offset } from "@warren/protocol";
import type { RetentionPolicy } from "@warren/state-store";
import { NameJudge } from "./name-judge.ts";
import { Network } from "./network.ts";
import { Prng } from "./prng.ts";
import { SimArchive } from "./sim-archive.ts";
import { SimArchiver } from "./sim-archiver.ts";
import { SimBroker } from "./sim-broker.ts";
import { SimConsumers } from "./sim-consumers.ts";
import type { SimSlice } from "./sim-event.ts";
import { SimLog } from "./sim-log.ts";
import { SimProgram } from "./sim-program.ts";
import { SimPublisher } from "./sim-publisher.ts";
import { SimQueue } from "./sim-queue.ts";
import type { SimReceiverRow } from "./sim-receiver.ts";
import { rule } from "./violation.ts";

/** Messages that RabbitMQ gives out before it waits for acks. */
const prefetch = 4;

/** One run: brokers, an archiver, queues, a database, a network and programs, all from one seed. */
export class World {
  readonly random: Prng;
  readonly network = new Network();
  readonly consumers = new SimConsumers();
  readonly covered = new Set<string>();
  readonly retention: RetentionPolicy;
  /** How often a handler fails. */
  readonly failures: number;
  faults = true;
  /** Inputs given to the machines. */
  steps = 0;
  readonly #archive = new SimArchive();
  readonly #archiveQueue: SimQueue;
  readonly #rows: readonly SimReceiverRow[];
  readonly #judges: readonly NameJudge[];
  readonly #programs: readonly SimProgram[];
  readonly #publishers: readonly SimPublisher[];
  #brokers: SimBroker[] = [];
  #archiver: SimArchiver | undefined;
  #numbers = 0;
  readonly #archivable = new Map<string, SimSlice>();

  readonly #trace: ((line: string) => void) | undefined;

  /** `trace` is told in words what happens. */
  constructor(seed: number, trace?: (line: string) => void) {
    this.#trace = trace;
    this.random = new Prng(seed);
    const { random } = this;
    // Most worlds redeliver in order, as one quorum queue does; the order of publishers is then kept too.
    const disorder = random.chance(0.2) ? random : undefined;
    this.failures = random.chance(0.15) ? 0.7 : 0.1;
    const kept = random.next();
    this.retention = {
      maxAgeMs: undefined,
      maxBytes: kept < 0.4 ? 60 : undefined,
      untilAcked: kept >= 0.4 && kept < 0.6,
      hold: random.chance(0.5),
    };
    const queue = (types: readonly ("a" | "b")[]): SimQueue => new SimQueue(types, prefetch, disorder);
    const log = (): SimLog => new SimLog(disorder === undefined);
    const [all, some, pair] = [new NameJudge("all"), new NameJudge("some"), new NameJudge("pair")];
    this.#archiveQueue = queue(["a", "b"]);
    this.#rows = [
      { key: "ab", log: log(), queue: queue(["a", "b"]), names: [all.name, pair.name], made: false },
      { key: "a", log: log(), queue: queue(["a"]), names: [some.name], made: false },
    ];
    this.#judges = [all, some, pair];
    const gap = (): "jump" | "fail" => (random.chance(0.3) ? "fail" : "jump");
    this.#programs = [
      new SimProgram(this, all, "ab", "all-1", "standby", gap()),
      new SimProgram(this, some, "a", "some-1", "take-over", gap()),
      new SimProgram(this, pair, "ab", "pair-1", "take-over", gap()),
      new SimProgram(this, pair, "ab", "pair-2", random.chance(0.5) ? "standby" : "take-over", gap()),
    ];
    this.#publishers = [new SimPublisher(this, "p"), new SimPublisher(this, "q")];
    this.#startBroker();
  }

  get now(): number {
    return this.network.now;
  }

  /** An interesting state was reached. */
  cover = (point: string): void => {
    this.covered.add(point);
    this.#trace?.(`${this.now} ${point}`);
  };

  /** For who reads the trace. */
  note(text: () => string): void {
    this.#trace?.(`${this.now} ${text()}`);
  }

  /** A machine was given an input. */
  stepped(): void {
    this.steps += 1;
  }

  /** Unique in the run: channels, sessions, copies of events. */
  nextNumber(): number {
    return (this.#numbers += 1);
  }

  log(receiverKey: string): SimLog {
    const row = this.#rows.find(({ key }) => key === receiverKey);
    rule(row !== undefined, `there is no receiver ${receiverKey}`);
    return row.log;
  }

  /** The exchange takes a message; whether any queue does. */
  publish(slices: readonly SimSlice[]): boolean {
    const message = { slices, spoiled: this.random.chance(0.03) ? `spoiled ${this.nextNumber()}` : undefined };
    this.note(() => `RabbitMQ takes ${slices.map(({ publisher, seq, event }) => `${event.key} (${publisher} ${seq})`).join(", ")}`);
    const archived = this.#archiveQueue.publish(message);
    for (const slice of archived ? slices : []) this.#archivable.set(slice.event.key, slice);
    for (const { queue, log } of this.#rows)
      if (!queue.exists) for (const { publisher, seq } of slices) log.unplaced.add(`${publisher} ${seq}`);
    return this.#rows.map(({ queue }) => queue.publish(message)).includes(true) || archived;
  }

  /** A message left its window without a confirm: it may arrive at any time, or never. */
  uncertain(publisher: string, seq: number): void {
    for (const { log } of this.#rows) log.unplaced.add(`${publisher} ${seq}`);
  }

  /** A queue was made again, and what was lost with it is recorded: who reads the log must be told. */
  missed(row: SimReceiverRow, gap: MissedGap): void {
    this.note(() => `log ${row.key}: events may be missing after ${gap.afterOffset}`);
    for (const judge of this.#judges)
      if (row.names.includes(judge.name) && this.consumers.settled(judge.name) !== undefined) judge.dueMissed.add(gap);
  }

  /** One step of the world. In `heal` no new fault happens and nothing is published. */
  step(heal: boolean): void {
    const { random, network } = this;
    network.now += 1;
    const luck = random.next();
    if (luck < 0.5 && network.step(random)) return;
    const broker = random.pick(this.#brokers);
    if (broker === undefined) return this.#startBroker();
    if (luck < 0.62) random.pick(broker.receivers)?.deliver();
    else if (luck < 0.66) this.#actArchiver();
    else if (luck < 0.72) random.pick(this.#publishers)?.act(heal);
    else if (luck < 0.725) random.pick(broker.receivers)?.checkLease();
    else if (luck < 0.73) for (const receiver of broker.receivers) for (const name of receiver.names.values()) name.check();
    else if (luck < 0.74) for (const receiver of broker.receivers) for (const name of receiver.names.values()) name.input({ kind: "tick" });
    else if (luck < 0.75) this.#retryParked(broker);
    else if (luck < 0.79) for (const receiver of broker.receivers) receiver.prune();
    else if (luck < 0.95) this.#actProgram(heal);
    else if (!heal && this.faults) this.#fault(broker);
  }

  /** Everything published is kept, and reached everyone. */
  get converged(): boolean {
    return (
      this.#publishers.every(({ done }) => done) &&
      this.#archiveQueue.empty &&
      // A queue that was lost is made again.
      this.#rows.every(({ queue, made }) => queue.empty && (queue.exists || !made)) &&
      this.#judges.every((judge) => this.#complete(judge)) &&
      [...this.#archivable.values()].every((slice) => this.#archive.kept(slice)) &&
      this.#rows.every(({ queue, log }) => [...queue.routed.values()].every((slice) => log.kept(slice)))
    );
  }

  #complete(judge: NameJudge): boolean {
    const row = this.#rows.find(({ names }) => names.includes(judge.name));
    const head: Offset = row?.log.head ?? 0n;
    return (
      judge.seen.mark >= head &&
      // What was done is saved in the end.
      (this.consumers.settled(judge.name)?.mark ?? 0n) >= head &&
      this.consumers.parked(judge.name).size === 0 &&
      [...judge.dueMissed].every((gap) => judge.toldMissed.has(gap))
    );
  }

  describe(): string {
    const names = this.#judges.map((judge) => {
      const untold = [...judge.dueMissed].filter((gap) => !judge.toldMissed.has(gap)).map(({ afterOffset }) => afterOffset);
      return `${judge.name} has seen up to ${judge.seen.mark}, parked ${this.consumers.parked(judge.name).size}, not told of gaps after ${untold.join()}`;
    });
    const queues = [this.#archiveQueue, ...this.#rows.map(({ queue }) => queue)].map(({ empty }) => empty);
    const receivers = this.#brokers.flatMap((broker) => broker.receivers.map((receiver) => receiver.describe()));
    return [`published ${this.#publishers.map(({ done }) => done).join()}`, `queues empty ${queues.join()}`, ...names, ...receivers].join(
      "; ",
    );
  }

  #actArchiver(): void {
    if (this.#archiver !== undefined) return this.#archiver.deliver();
    this.#archiver = new SimArchiver(this, this.nextNumber(), this.#archiveQueue, this.#archive);
    return undefined;
  }

  #actProgram(heal: boolean): void {
    const { random } = this;
    const program = random.pick(this.#programs);
    if (program === undefined) return;
    if (!program.brokerUp) program.cut(false);
    program.act(heal);
    const others = this.#programs.filter((each) => each !== program && each.judge === program.judge);
    const connected = others.some((each) => each.connected);
    // To end, the pair must not take over from itself for ever.
    if (!program.running && (heal ? !connected : random.chance(0.2))) program.restart();
    // Two brokers that are both asked for a receiver take it from each other: to end, all ask one.
    const broker = heal ? this.#brokers[0] : random.pick(this.#brokers);
    if (broker !== undefined && !(heal && connected && program.onConflict === "take-over")) program.connect(broker);
    if (heal || !this.faults) return;
    const luck = random.next();
    if (luck < 0.03) program.cut(random.chance(0.7));
    else if (luck < 0.04) {
      this.cover("program-crash");
      program.restart();
    }
  }

  #retryParked(broker: SimBroker): void {
    const judge = this.random.pick(this.#judges);
    if (judge === undefined) return;
    this.consumers.retry(judge.name);
    for (const { names } of broker.receivers) names.get(judge.name)?.input({ kind: "retry-asked" });
  }

  #fault(broker: SimBroker): void {
    const { random } = this;
    const luck = random.next();
    if (luck < 0.1) {
      broker.crash();
      this.#brokers = this.#brokers.filter(({ up }) => up);
    } else if (luck < 0.2 && this.#brokers.length < 2) this.#startBroker();
    else if (luck < 0.4) random.pick(broker.receivers)?.loseChannel();
    else if (luck < 0.5) this.#archiver?.loseChannel();
    else if (luck < 0.55) {
      this.#archiver?.crash();
      this.#archiver = undefined;
    } else if (luck < 0.7) random.pick(this.#publishers)?.loseChannel();
    else if (luck < 0.75) random.pick(broker.receivers)?.reclaim();
    else if (luck < 0.77) this.#deleteQueue(random.pick(this.#rows));
    else if (luck < 0.8) this.#seek(broker);
    else if (luck < 0.81) this.network.now += 20_000;
    else if (luck < 0.84) {
      this.#deleteArchiveQueue();
      // Or all of them: what is published then comes back.
      if (random.chance(0.7)) for (const row of this.#rows) this.#deleteQueue(row);
    }
  }

  #startBroker(): void {
    this.#brokers.push(new SimBroker(this, this.nextNumber(), this.#rows));
  }

  /** An operator deletes a queue by hand: what it held is lost, and W9 says so. */
  #deleteQueue(row: SimReceiverRow | undefined): void {
    if (row?.queue.exists !== true) return;
    this.cover("queue-deleted");
    for (const { event, publisher, seq } of row.queue.delete()) {
      row.queue.routed.delete(event.key);
      row.log.unplaced.add(`${publisher} ${seq}`);
    }
    for (const broker of this.#brokers) broker.receiver(row.key)?.loseChannel();
  }

  /** What the archive queue held is not archived; the archiver says so in its log. */
  #deleteArchiveQueue(): void {
    if (!this.#archiveQueue.exists) return;
    this.cover("archive-queue-deleted");
    for (const { event } of this.#archiveQueue.delete()) this.#archivable.delete(event.key);
    this.#archiver?.loseChannel();
  }

  #seek(broker: SimBroker): void {
    const row = this.random.pick(this.#rows);
    const name = this.random.pick(row?.names ?? []);
    const judge = this.#judges.find((each) => each.name === name);
    if (row === undefined || name === undefined || judge === undefined) return;
    const settled = this.consumers.move(name, BigInt(this.random.below(Number(row.log.head) + 1)));
    if (settled === undefined) return;
    this.cover("seek");
    judge.moved(this.consumers.moves(name), settled);
    broker.receiver(row.key)?.name(name).moved(settled);
  }
}
