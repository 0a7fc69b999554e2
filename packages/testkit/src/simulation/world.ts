import { create, toBinary } from "@bufbuild/protobuf";
import type { EncodedBatch, EventSlice } from "@warren/protocol";
import { EventBatchSchema } from "@warren/protocol/v1";
import { Network } from "./network.ts";
import { Prng } from "./prng.ts";
import { SimBroker } from "./sim-broker.ts";
import { SharedName, SimClient } from "./sim-client.ts";
import { SimDatabase } from "./sim-database.ts";
import { SimQueue } from "./sim-queue.ts";
import { rule } from "./violation.ts";

const slices = new Map<string, EventSlice>();

/** One run: brokers, a queue, a database, a network and programs, all from one seed. */
export class World {
  readonly random: Prng;
  readonly network = new Network();
  readonly db = new SimDatabase();
  readonly queue = new SimQueue(4);
  readonly covered = new Set<string>();
  readonly cover = (point: string): void => void this.covered.add(point);
  faults = true;
  now = 0;
  #brokers: SimBroker[] = [];
  readonly #names: SharedName[];
  readonly #clients: SimClient[];
  readonly #published: string[] = [];
  #ids = 0;
  #channels = 0;
  #sessions = 0;
  #checkedRows = 0;
  #newest = 0;

  constructor(seed: number) {
    this.random = new Prng(seed);
    const alone = new SharedName("alone");
    const pair = new SharedName("pair");
    this.#names = [alone, pair];
    this.#clients = [
      new SimClient(this, alone, "alone-1", "standby"),
      new SimClient(this, pair, "pair-1", "take-over"),
      new SimClient(this, pair, "pair-2", this.random.chance(0.5) ? "standby" : "take-over"),
    ];
    this.#brokers.push(new SimBroker(this, 1));
  }

  nextChannel(): number {
    return (this.#channels += 1);
  }

  nextSession(): number {
    return (this.#sessions += 1);
  }

  slice(id: string): EventSlice {
    let slice = slices.get(id);
    if (slice === undefined) {
      const bytes = toBinary(EventBatchSchema, create(EventBatchSchema, { events: [{ id, source: "s", type: "t" }] }));
      slice = { bytes, id, source: "s", type: "t", deduplicated: true };
      slices.set(id, slice);
    }
    return slice;
  }

  idOf(batch: EncodedBatch, index: number): string {
    const start = index === 0 ? 0 : (batch.eventEnds[index - 1] ?? 0);
    // tag, length, tag of `id`, its length, then the id: all shorter than 128 bytes here.
    const length = batch.bytes[start + 3] ?? 0;
    return new TextDecoder().decode(batch.bytes.subarray(start + 4, start + 4 + length));
  }

  /** One step of the world. In `heal` no new fault happens and nothing is published. */
  step(heal: boolean): void {
    this.now += 1;
    const { random } = this;
    const luck = random.next();
    if (luck < 0.5 && this.network.step(random)) return;
    const broker = random.pick(this.#brokers.filter(({ up }) => up));
    if (broker === undefined || (this.#brokers.every((each) => !each.up || each.fenced) && luck > 0.9)) {
      this.#startBroker();
      return;
    }
    if (luck < 0.6) broker.deliver();
    else if (luck < 0.66 && !heal) this.#publish();
    else if (luck < 0.68) broker.checkLease();
    else if (luck < 0.69) for (const name of this.#names) broker.input(name.name, { kind: "tick" });
    else if (luck < 0.7) this.#retryParked(broker);
    else if (luck < 0.92) this.#actClient(heal);
    else if (!heal && this.faults) this.#fault(broker);
  }

  check(): void {
    // Rows never change, so only new ones are looked at. Ids of one publisher grow; a repeat keeps its first place.
    for (; this.#checkedRows < this.db.ids.length; this.#checkedRows += 1) {
      const number = Number(this.db.ids[this.#checkedRows]?.slice(1));
      rule(number > this.#newest, `W3: event ${number} is stored after ${this.#newest}`);
      this.#newest = number;
    }
  }

  get converged(): boolean {
    const { head } = this.db;
    return (
      this.#published.every((id) => this.db.kept(id)) &&
      this.queue.empty &&
      this.#names.every(({ name, seen }) => BigInt(seen.size) === head && (this.db.consumers.get(name)?.parked.size ?? 0) === 0)
    );
  }

  describe(): string {
    const names = this.#names.map(({ name, seen }) => `${name} ${seen.size}`).join(", ");
    return `published ${this.#published.length}, stored ${this.db.ids.length}, queue empty ${this.queue.empty}, seen: ${names}`;
  }

  #publish(): void {
    if (this.#published.length > 0 && this.random.chance(0.1)) {
      // A sender that does not know the outcome of its last events sends them again.
      this.queue.publish({ ids: this.#published.slice(-1) });
      this.cover("resend");
      return;
    }
    const ids = Array.from({ length: 1 + this.random.below(3) }, () => `e${(this.#ids += 1)}`);
    this.#published.push(...ids);
    this.queue.publish({ ids });
  }

  #actClient(heal: boolean): void {
    const client = this.random.pick(this.#clients);
    if (client === undefined) return;
    client.act(heal);
    const broker = this.random.pick(this.#brokers.filter(({ running }) => running));
    if (!client.connected && broker !== undefined) {
      if (heal || this.random.chance(0.2)) client.restart();
      // To end, the pair must not take over from itself for ever.
      const other = this.#clients.some((each) => each !== client && each.name === client.name && each.connected);
      if (!(heal && other)) client.connect(broker);
    } else if (!heal && this.random.chance(0.05)) {
      client.leave();
    }
  }

  #retryParked(broker: SimBroker): void {
    const { name } = this.random.pick(this.#names) ?? { name: "" };
    this.db.retry(name);
    broker.input(name, { kind: "retry-asked" });
  }

  #fault(broker: SimBroker): void {
    const luck = this.random.next();
    if (luck < 0.15) broker.crash();
    else if (luck < 0.3 && this.#brokers.filter(({ up }) => up).length < 2) this.#startBroker();
    else if (luck < 0.6) broker.loseChannel();
  }

  #startBroker(): void {
    this.#brokers = this.#brokers.filter(({ up, fenced }) => up && !fenced);
    this.#brokers.push(new SimBroker(this, this.nextChannel() + 1000));
  }
}
