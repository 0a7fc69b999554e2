import { decodeEvent, rangeFrom, WarrenError, type Offset } from "@warren/protocol";
import type { EventLog, QuarantineRow } from "@warren/event-store";
import type { ConsumerRow, OffsetWriter, ParkedRow, StateStore } from "@warren/state-store";
import type { Receiver } from "./receiver.ts";
import type { ConsumerView, StartFrom } from "./subscription.ts";

/** Where an event stands for a consumer. */
export type EventStanding = "not-stored" | "waiting" | "sent" | "acked" | "parked";

/** What became of an event for a consumer. */
export interface Explanation {
  readonly standing: EventStanding;
  /** 0n when its receiver's log does not hold it. */
  readonly offset: Offset;
  /** All receivers whose log holds it. */
  readonly receiverKeys: readonly string[];
  readonly sessionToken: bigint;
  readonly parked: ParkedRow | undefined;
}

/**
 * What an operator does to consumers. Everything throws NOT_FOUND for a name that does not exist, and STORE_UNAVAILABLE when the database is away; then
 * nothing was done. With `dryRun` nothing is done.
 */
export interface Operations {
  /** Moves a consumer. Its sessions end with CONSUMER_MOVED and open again at the new place. OFFSET_OUT_OF_RANGE. */
  seek(
    name: string,
    to: StartFrom,
    dryRun: boolean,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly from: Offset; readonly to: Offset }>;
  /** Nothing is sent until `resume`. */
  pause(name: string, reason: string): Promise<void>;
  resume(name: string): Promise<void>;
  /** It is forgotten after so many milliseconds asleep, from now on; undefined: never. Returns it as it is then. */
  setExpiry(name: string, expireAfterMs: number | undefined): Promise<ConsumerView>;
  /** Forgets a consumer and what it has parked. Its sessions end with CONSUMER_DELETED. Returns it as it was. */
  delete(name: string, dryRun: boolean): Promise<ConsumerView>;
  parked(name: string, afterOffset: Offset, limit: number): Promise<readonly ParkedRow[]>;
  parkedCounts(): Promise<ReadonlyMap<string, bigint>>;
  /** Has parked events delivered again. Offsets undefined: all. Returns how many. */
  retryParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint>;
  discardParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint>;
  explain(name: string, source: string, id: string): Promise<Explanation>;
  /** What a receiver set aside, newest first. NOT_FOUND for a receiver that does not exist. */
  quarantined(receiverKey: string, limit: number): Promise<readonly QuarantineRow[]>;
}

/** What operations need. */
export interface OperationsDeps {
  readonly state: StateStore;
  readonly log: EventLog;
  readonly offsets: OffsetWriter;
  readonly receivers: () => readonly Receiver[];
}

/** Operations on the consumers of one broker. */
export class ConsumerOperations implements Operations {
  readonly #deps: OperationsDeps;

  constructor(deps: OperationsDeps) {
    this.#deps = deps;
  }

  async seek(name: string, to: StartFrom, dryRun: boolean, options: { readonly signal: AbortSignal }) {
    const { state, offsets } = this.#deps;
    const { receiver, view } = this.#find(name);
    const offset = await receiver.startOffset(to, options);
    const move = { from: view.settled.mark, to: offset };
    if (dryRun) return move;
    // Acks that came before the move are saved before it: none is lost, and none comes after.
    await offsets.flush();
    const row = existing(await state.moveConsumer(name, offset, options), name);
    const error = new WarrenError("CONSUMER_MOVED", `an operator moved consumer ${name} to offset ${offset}; open again`);
    receiver.consumer(name)?.dispatch({ kind: "moved", settled: { mark: row.ackedOffset, ranges: row.ranges }, error });
    return { ...move, from: view.settled.mark };
  }

  async pause(name: string, reason: string): Promise<void> {
    await this.#setPaused(name, reason === "" ? "paused by an operator" : reason);
  }

  async resume(name: string): Promise<void> {
    await this.#setPaused(name, undefined);
  }

  async setExpiry(name: string, expireAfterMs: number | undefined): Promise<ConsumerView> {
    const { receiver, view } = this.#find(name);
    if (!(await this.#deps.state.setExpiry(name, expireAfterMs))) throw notFound(name);
    const consumer = receiver.consumer(name);
    if (consumer !== undefined) consumer.expireAfterMs = expireAfterMs;
    return { ...view, expireAfterMs };
  }

  async delete(name: string, dryRun: boolean): Promise<ConsumerView> {
    const { receiver, view } = this.#find(name);
    if (dryRun) return view;
    existing(await this.#deps.state.deleteConsumer(name), name);
    receiver.forget(name, new WarrenError("CONSUMER_DELETED", `an operator deleted consumer ${name}; opening it again would make it anew`));
    return view;
  }

  parked(name: string, afterOffset: Offset, limit: number): Promise<readonly ParkedRow[]> {
    this.#find(name);
    return this.#deps.state.parked(name, afterOffset, limit);
  }

  parkedCounts(): Promise<ReadonlyMap<string, bigint>> {
    return this.#deps.state.parkedCounts();
  }

  async retryParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint> {
    const { receiver } = this.#find(name);
    const count = await this.#deps.state.retryParked(name, offsets, dryRun);
    if (!dryRun) receiver.consumer(name)?.dispatch({ kind: "retry-asked" });
    return count;
  }

  async discardParked(name: string, offsets: readonly Offset[] | undefined, dryRun: boolean): Promise<bigint> {
    this.#find(name);
    return this.#deps.state.discardParked(name, offsets, dryRun);
  }

  async explain(name: string, source: string, id: string): Promise<Explanation> {
    const { state, log, receivers } = this.#deps;
    const { receiver, view } = this.#find(name);
    const found = await Promise.all(receivers().map(async ({ row }) => ({ row, offset: await log.find(row.receiverId, source, id) })));
    const receiverKeys = found.flatMap(({ row, offset }) => (offset === undefined ? [] : [row.configKey]));
    const parked = await parkedBy(state, name, source, id);
    const offset = parked?.offset ?? found.find(({ row }) => row.receiverId === receiver.row.receiverId)?.offset ?? 0n;
    return {
      standing: standing(view, offset, parked),
      offset,
      receiverKeys,
      sessionToken: view.phase === "asleep" ? 0n : view.sessionToken,
      parked,
    };
  }

  async quarantined(receiverKey: string, limit: number): Promise<readonly QuarantineRow[]> {
    const receiver = this.#deps.receivers().find(({ row }) => row.configKey === receiverKey);
    if (receiver === undefined) throw new WarrenError("NOT_FOUND", `no receiver has the key ${JSON.stringify(receiverKey)}`);
    return this.#deps.log.quarantined(receiver.row.receiverId, limit);
  }

  async #setPaused(name: string, reason: string | undefined): Promise<void> {
    const { receiver } = this.#find(name);
    if (!(await this.#deps.state.setPaused(name, reason))) throw notFound(name);
    receiver.consumer(name)?.setPaused(reason);
  }

  #find(name: string): { readonly receiver: Receiver; readonly view: ConsumerView } {
    for (const receiver of this.#deps.receivers()) {
      const view = receiver.consumerViews().find((each) => each.name === name);
      if (view !== undefined) return { receiver, view };
    }
    throw notFound(name);
  }
}

function standing({ settled, sentOffset, phase }: ConsumerView, offset: Offset, parked: ParkedRow | undefined): EventStanding {
  if (parked !== undefined) return "parked";
  if (offset === 0n) return "not-stored";
  const range = rangeFrom(settled.ranges, offset);
  if (offset <= settled.mark || (range !== undefined && range.first <= offset)) return "acked";
  return phase !== "asleep" && offset <= sentOffset ? "sent" : "waiting";
}

const page = 500;

/** The log may have pruned what is parked: the parked rows are looked through. */
async function parkedBy(state: StateStore, name: string, source: string, id: string): Promise<ParkedRow | undefined> {
  for (let after: Offset | undefined = 0n; after !== undefined;) {
    const rows: readonly ParkedRow[] = await state.parked(name, after, page);
    const row = rows.find(({ bytes }) => isEvent(bytes, source, id));
    if (row !== undefined) return row;
    after = rows.length === page ? rows.at(-1)?.offset : undefined;
  }
  return undefined;
}

function isEvent(bytes: Uint8Array, source: string, id: string): boolean {
  const event = decodeEvent(bytes);
  return event.source === source && event.id === id;
}

function existing(row: ConsumerRow | undefined, name: string): ConsumerRow {
  if (row === undefined) throw notFound(name);
  return row;
}

function notFound(name: string): WarrenError {
  return new WarrenError("NOT_FOUND", `no consumer has the name ${JSON.stringify(name)}`);
}
