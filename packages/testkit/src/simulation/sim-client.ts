import { covers, raiseMark, rangeFrom, settle, type Offset, type OffsetRange, type Settled } from "@warren/protocol";
import type { Frame, OnConflict } from "@warren/receiver-core";
import type { SimBroker } from "./sim-broker.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** One program that subscribes under a name, and checks all it is told: W5 (no gap, repeat or swap), W6 (tokens), W7 (acks). */
export class SimClient {
  readonly name: string;
  readonly #world: World;
  readonly #instance: string;
  readonly #onConflict: OnConflict;
  /** Highest offset this name's programs know to be saved: nothing at or below it may come again. */
  readonly #shared: SharedName;
  #session: ClientSession | undefined;
  #superseded = false;

  constructor(world: World, shared: SharedName, instance: string, onConflict: OnConflict) {
    this.#world = world;
    this.#shared = shared;
    this.name = shared.name;
    this.#instance = instance;
    this.#onConflict = onConflict;
  }

  get connected(): boolean {
    return this.#session !== undefined;
  }

  get opened(): boolean {
    return this.#session?.opened === true;
  }

  /** Opens a session on `broker`: one at a time (H4). */
  connect(broker: SimBroker): void {
    if (this.#session !== undefined || this.#superseded) return;
    const session = new ClientSession(this.#world, this, this.#shared, broker);
    this.#session = session;
    const spec = {
      sessionId: session.id,
      instanceId: this.#instance,
      onConflict: this.#onConflict,
      onGap: "jump" as const,
      ackMode: "explicit" as const,
      maxInFlight: 4,
      maxInFlightBytes: 40,
      sessionTimeoutMs: 60,
    };
    this.#world.network.send(
      `open-${session.id}`,
      () => broker.up,
      () => {
        broker.open(this.name, spec, session);
        session.pull();
      },
    );
  }

  /** The program leaves without a word: the broker hears it later. */
  leave(): void {
    this.#session?.leave();
    this.#session = undefined;
  }

  act(heal: boolean): void {
    if (this.#session?.broker.up === false) this.#session = undefined;
    this.#session?.act(heal);
  }

  /** A program that was superseded comes back only when someone starts it again. */
  restart(): void {
    this.#superseded = false;
  }

  ended(session: ClientSession, takenOver: boolean): void {
    if (this.#session !== session) return;
    this.#session = undefined;
    this.#superseded = takenOver;
  }
}

const nothing: Settled = { mark: 0n, ranges: [] };

/** What all programs of one name know together. */
export class SharedName {
  readonly name: string;
  readonly seen = new Set<Offset>();
  newestToken = 0n;
  /** What its programs were told is saved, and all they ever acked or parked. */
  saved: Settled = nothing;
  acked: Settled = nothing;
  /** Side deliveries they were told are settled. */
  readonly settledSides = new Set<bigint>();
  readonly parked = new Set<Offset>();

  constructor(name: string) {
    this.name = name;
  }
}

class ClientSession {
  readonly id: string;
  readonly broker: SimBroker;
  readonly #world: World;
  readonly #client: SimClient;
  readonly #shared: SharedName;
  /** The stream's end on the broker: what waits for the client's wish. */
  #waiting: Frame[] = [];
  #wish = false;
  #left = false;
  #token = 0n;
  #settled: Settled = nothing;
  #next: Offset = 0n;
  readonly #sides: bigint[] = [];
  #handled: Offset = 0n;
  opened = false;

  constructor(world: World, client: SimClient, shared: SharedName, broker: SimBroker) {
    this.#world = world;
    this.#client = client;
    this.#shared = shared;
    this.broker = broker;
    this.id = `s${world.nextSession()}`;
  }

  frame(frame: Frame): void {
    this.#waiting.push(frame);
    this.#hand();
  }

  end(error: { readonly code: string } | undefined): void {
    this.#world.network.send(
      `stream-${this.id}`,
      () => !this.#left,
      () => this.#client.ended(this, error?.code === "TAKEN_OVER"),
    );
  }

  pull(): void {
    this.#wish = true;
    if (this.#waiting.length > 0) this.#hand();
    else this.broker.input(this.#client.name, { kind: "pull", sessionId: this.id });
  }

  #hand(): void {
    if (!this.#wish) return;
    const frame = this.#waiting.shift();
    if (frame === undefined) return;
    this.#wish = false;
    this.#world.network.send(
      `stream-${this.id}`,
      () => true,
      () => {
        if (this.#left) return;
        this.#got(frame);
        this.#toBroker(() => this.pull());
      },
    );
  }

  #toBroker(run: () => void): void {
    this.#world.network.send(`up-${this.id}`, () => this.broker.up, run);
  }

  #got(frame: Frame): void {
    const shared = this.#shared;
    switch (frame.kind) {
      case "opened":
        rule(frame.sessionToken !== this.#token, "a session is opened once");
        this.opened = true;
        this.#token = frame.sessionToken;
        // A stream that was opened earlier may be heard of later: a program drops what an older token sends (H3).
        if (this.#token < shared.newestToken) return;
        shared.newestToken = this.#token;
        rule(covers(frame.settled, shared.saved), `W5: opened at ${text(frame.settled)}, which lacks of the saved ${text(shared.saved)}`);
        rule(
          covers(shared.acked, frame.settled),
          `W7: opened at ${text(frame.settled)}, of which not all was acked: ${text(shared.acked)}`,
        );
        if (frame.settled.ranges.length > 0) this.#world.cover("opened-with-ranges");
        this.#settled = frame.settled;
        this.#expect(frame.settled.mark + 1n);
        this.#handled = frame.settled.mark;
        if (!frame.resumed) this.#world.cover("new-name");
        return;
      case "batch":
        rule(frame.from < frame.to, "a frame of events has events");
        if (this.#token < shared.newestToken) return this.#world.cover("stale-token-dropped");
        for (let index = frame.from; index < frame.to; index += 1) this.#event(frame.batch.firstOffset + BigInt(index), frame, index);
        return;
      case "acked":
        rule(covers(shared.acked, frame.settled), `W7: saved ${text(frame.settled)}, of which not all was acked: ${text(shared.acked)}`);
        for (const id of frame.deliveryIds) shared.settledSides.add(id);
        if (this.#token >= shared.newestToken)
          shared.saved = frame.settled.ranges.reduce(settle, raiseMark(shared.saved, frame.settled.mark));
        return;
      case "side": {
        const { deliveryId, batch } = frame.side;
        rule(shared.parked.has(batch.firstOffset), `W5: side delivery of ${batch.firstOffset}, which nobody parked`);
        rule(!shared.settledSides.has(deliveryId), `W5: side delivery ${deliveryId} came again after it was settled`);
        rule(!this.#sides.includes(deliveryId), `W5: side delivery ${deliveryId} came twice in a session`);
        this.#sides.push(deliveryId);
        return;
      }
      case "caught-up":
        if (this.#token >= shared.newestToken)
          rule(frame.offset === this.#next - 1n, `caught up at ${frame.offset}, but ${this.#next} was to come`);
        return;
      default:
    }
  }

  #event(offset: Offset, frame: Extract<Frame, { kind: "batch" }>, index: number): void {
    const { db } = this.#world;
    rule(offset === this.#next, `W5: ${offset} came where ${this.#next} was to come`);
    const id = db.ids[Number(offset) - 1];
    rule(id !== undefined, `W1: offset ${offset} was delivered before it was stored`);
    rule(this.#world.idOf(frame.batch, index) === id, `W5: offset ${offset} is another event than the log has`);
    this.#expect(offset + 1n);
    this.#handled = offset;
    this.#shared.seen.add(offset);
  }

  /** W5: what `opened` listed as settled does not come. */
  #expect(next: Offset): void {
    const range = rangeFrom(this.#settled.ranges, next);
    this.#next = range !== undefined && range.first <= next ? range.last + 1n : next;
  }

  act(heal: boolean): void {
    const { random } = this.#world;
    if (!this.opened || this.#handled === 0n || (!heal && random.chance(0.4))) return;
    const luck = heal ? 0 : random.next();
    if (luck < 0.5) return this.#ack(this.#handled, []);
    const first = this.#handled - BigInt(random.below(4));
    if (first < 1n) return undefined;
    const last = first + BigInt(random.below(Number(this.#handled - first) + 1));
    if (luck < 0.85) return this.#ack(0n, [{ first, last }]);
    return this.#park(first);
  }

  #ack(upTo: Offset, ranges: readonly OffsetRange[]): void {
    const shared = this.#shared;
    shared.acked = ranges.reduce(settle, raiseMark(shared.acked, upTo));
    // What waits in the queue to the broker is older, so every side delivery acked here was received.
    const deliveryIds = [...this.#sides];
    const { name } = this.#client;
    this.#toBroker(() => this.broker.input(name, { kind: "ack", sessionId: this.id, upTo, ranges, deliveryIds }));
  }

  #park(offset: Offset): void {
    this.#shared.parked.add(offset);
    this.#shared.acked = settle(this.#shared.acked, { first: offset, last: offset });
    this.#toBroker(() => this.broker.park(this.#client.name, this.id, offset));
  }

  leave(): void {
    this.#left = true;
    this.#toBroker(() => this.broker.input(this.#client.name, { kind: "stop", sessionId: this.id, reason: "stream-ended" }));
  }
}

function text({ mark, ranges }: Settled): string {
  return [`${mark}`, ...ranges.map(({ first, last }) => `${first}-${last}`)].join(" ");
}
