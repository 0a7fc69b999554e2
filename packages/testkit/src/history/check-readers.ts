import type { FinalLog, History, HistoryRange, HistoryRecord, Violation } from "./history.ts";
import { OffsetSet } from "./offset-set.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;
type Report = (rule: Violation["rule"], text: string) => void;

/** What is known of a consumer's name. */
interface Name {
  readonly consumer: string;
  readonly log: string;
  readonly tokens: Set<bigint>;
  /** Stays settled wherever the consumer is moved. */
  readonly parked: Set<bigint>;
  /** What was handed over before the last move. */
  readonly earlier: OffsetSet;
  life: Life;
  newest: { readonly token: bigint; readonly settled: OffsetSet; readonly known: boolean };
}

/** What is known of a consumer since an operator moved it last. */
interface Life {
  /** Of the move; sessions have greater ones. */
  readonly token: bigint;
  /** Where its first session began: gaps from there on must be told. */
  readonly start: bigint;
  /** What its applications said is done or set aside, and what was told to be lost. */
  readonly acked: OffsetSet;
  /** What was told to be saved. */
  readonly saved: OffsetSet;
  readonly delivered: OffsetSet;
  readonly told: Set<string>;
}

interface Reader {
  readonly name: Name;
  life: Life;
  token: bigint;
  /** The offset that must come. */
  next: bigint;
  settled: OffsetSet;
  /** Whether it was told what is settled. */
  known: boolean;
  savedUpTo: bigint;
}

/** C5 to C8, C11 and C12: what readers were handed and told, against the logs. */
export function checkReaders(history: History, report: Report): void {
  const checker = new ReaderChecker(history, report);
  for (const record of history.records) checker.step(record);
  for (const consumer of history.complete) checker.checkComplete(consumer);
}

class ReaderChecker {
  readonly #report: Report;
  readonly #logs: ReadonlyMap<string, FinalLog & { readonly at: ReadonlyMap<bigint, FinalLog["events"][number]> }>;
  readonly #names = new Map<string, Name>();
  readonly #readers = new Map<string, Reader>();
  /** By consumer, in the order of their tokens: a session may be heard of before the move that it follows. */
  readonly #moves: ReadonlyMap<string, readonly Of<"moved">[]>;

  constructor({ records, logs }: History, report: Report) {
    this.#report = report;
    const moves = records.filter((record) => record.kind === "moved").toSorted((a, b) => (a.token < b.token ? -1 : 1));
    this.#moves = Map.groupBy(moves, ({ consumer }) => consumer);
    this.#logs = new Map(logs.map((log) => [log.log, { ...log, at: new Map(log.events.map((row) => [row.offset, row])) }]));
  }

  step(record: HistoryRecord): void {
    switch (record.kind) {
      case "opened":
        this.#opened(record);
        return;
      case "event":
        this.#event(record);
        return;
      case "ack":
        this.#ack(record);
        return;
      case "acked":
        this.#acked(record);
        return;
      case "gap":
        this.#gap(record);
        return;
      case "parked":
        this.#parked(record);
        return;
      case "publish":
      case "outcome":
      case "log-opened":
      case "retried":
      case "side":
      case "side-ack":
      case "side-acked":
      case "moved":
      case "routing-cut":
      case "resources":
      case "process-ended":
      case "note":
    }
  }

  #opened({ consumer, log, reader, token, afterOffset, settled: told }: Of<"opened">): void {
    const [settled, known] = [told ?? [], told !== undefined];
    const begun = new OffsetSet(afterOffset);
    begun.add(0n, settled);
    const newest = { token, settled: begun, known };
    let name = this.#names.get(consumer);
    if (name === undefined) {
      const [tokens, parked, earlier] = [new Set<bigint>(), new Set<bigint>(), new OffsetSet()];
      name = { consumer, log, tokens, parked, earlier, life: newLife(0n, afterOffset, afterOffset, parked), newest };
      this.#names.set(consumer, name);
    }
    if (name.tokens.has(token)) this.#report("C8", `two sessions of ${consumer} have token ${token}`);
    name.tokens.add(token);
    const move = this.#moves.get(consumer)?.findLast((each) => each.token < token);
    if (move !== undefined && move.token > name.life.token) {
      name.earlier.add(name.life.delivered.mark, ranges(name.life.delivered.above));
      name.life = newLife(move.token, move.afterOffset, afterOffset, name.parked);
      name.newest = newest;
    }
    // A session from before the move, which is heard of only now: it was over already.
    const stale = token < name.life.token;
    const lost = stale ? undefined : name.life.acked.missing(afterOffset, settled);
    if (lost !== undefined)
      this.#report("C7", `${consumer} (token ${token}) goes on after ${afterOffset}, but offset ${lost} was never acked`);
    if (token >= name.newest.token) {
      name.newest = newest;
      const { mark, above } = name.life.saved;
      const again = begun.missing(mark, known ? ranges(above) : []);
      if (again !== undefined) this.#report("C7", `${consumer} (token ${token}) is sent offset ${again} again, which was told to be saved`);
    }
    this.#open(reader, name, { token, afterOffset, settled, known }, stale);
  }

  #open(
    id: string,
    name: Name,
    {
      token,
      afterOffset,
      settled,
      known,
    }: Pick<Of<"opened">, "token" | "afterOffset"> & { readonly settled: readonly HistoryRange[]; readonly known: boolean },
    stale: boolean,
  ): void {
    const life = stale ? newLife(0n, afterOffset, afterOffset, name.parked) : name.life;
    const reader = this.#readers.get(id) ?? { name, life, token, next: 0n, settled: new OffsetSet(), savedUpTo: 0n, known };
    if (this.#readers.has(id) && token <= reader.token) {
      this.#report("C8", `reader ${id} was opened with token ${token} after token ${reader.token}`);
    }
    this.#readers.set(id, reader);
    // After a move it is handed again what it was handed before.
    if (reader.life !== life) Object.assign(reader, { life, next: 0n, settled: new OffsetSet(afterOffset) });
    Object.assign(reader, { token, known, savedUpTo: afterOffset });
    reader.settled.add(afterOffset, settled);
    reader.next = reader.settled.nextAfter(reader.next - 1n);
  }

  #event({ reader: id, offset, event, digest, token }: Of<"event">): void {
    const reader = this.#reader(id, `event ${event}`);
    if (reader === undefined) return;
    const { name, life } = reader;
    const what = `${name.consumer} (reader ${id}) was handed offset ${offset}`;
    if (token !== undefined && token !== reader.token) this.#report("C8", `${what} of token ${token} while it has token ${reader.token}`);
    while (!reader.known && reader.next < offset && life.acked.has(reader.next)) reader.next += 1n;
    if (offset !== reader.next) this.#report("C5", `${what} where ${reader.next} must come`);
    reader.next = reader.settled.nextAfter(offset);
    life.delivered.add(0n, [{ first: offset, last: offset }]);
    const log = this.#logs.get(name.log);
    const stored = log?.at.get(offset);
    if (stored === undefined) {
      // What was pruned since then cannot be compared any more.
      if (log?.gaps.some((gap) => gap.what === "pruned" && gap.first <= offset && offset <= gap.last) !== true)
        this.#report("C6", `${what} (${event}), which is not in log ${name.log}`);
    } else if (stored.event !== event) this.#report("C6", `${what} as ${event}; log ${name.log} has ${stored.event} there`);
    else if (stored.digest !== digest) this.#report("C6", `${what} (${event}) with other content than log ${name.log} has`);
  }

  #ack({ reader: id, offset }: Of<"ack">): void {
    const reader = this.#reader(id, `ack of ${offset}`);
    if (reader !== undefined) this.#settle(id, reader, offset, "acked");
  }

  #parked({ reader: id, offset }: Of<"parked">): void {
    const reader = this.#reader(id, `park of ${offset}`);
    // A side delivery that failed again was parked long ago.
    if (reader === undefined || reader.name.parked.has(offset)) return;
    reader.name.parked.add(offset);
    this.#settle(id, reader, offset, "parked");
    if (reader.life !== reader.name.life) reader.name.life.acked.add(0n, [{ first: offset, last: offset }]);
  }

  #settle(id: string, { name, life }: Reader, offset: bigint, how: string): void {
    const handed = life.delivered.has(offset);
    // Of an event from before the move: it settles nothing, unless it was parked before it.
    if (!handed && !name.earlier.has(offset))
      this.#report("C7", `${name.consumer} (reader ${id}) ${how} offset ${offset} before it was handed over`);
    if (handed || how === "parked") life.acked.add(0n, [{ first: offset, last: offset }]);
  }

  #acked({ reader: id, token, upTo, ranges: saved }: Of<"acked">): void {
    const reader = this.#reader(id, `saved up to ${upTo}`);
    if (reader === undefined) return;
    const { name, life } = reader;
    if (life !== name.life) return;
    const what = `${name.consumer} (reader ${id}, token ${token}) was told that offsets up to ${upTo} are saved`;
    const never = life.acked.missing(upTo, saved);
    if (never !== undefined) this.#report("C7", `${what}; offset ${never} was never acked`);
    if (token === reader.token && upTo < reader.savedUpTo) this.#report("C7", `${what} after ${reader.savedUpTo} were`);
    if (token === reader.token) reader.savedUpTo = upTo;
    const late = token < name.newest.token && name.newest.known ? name.newest.settled.missing(upTo, saved) : undefined;
    if (late !== undefined) this.#report("C8", `${what}, but token ${name.newest.token} had begun without offset ${late}`);
    life.saved.add(upTo, saved);
  }

  #gap(gap: Of<"gap">): void {
    const reader = this.#reader(gap.reader, "a gap");
    if (reader === undefined) return;
    const { name, life } = reader;
    const gaps = this.#logs.get(name.log)?.gaps ?? [];
    if (gap.what === "missed") {
      life.told.add(String(gap.afterOffset));
      if (!gaps.some((known) => known.what === "missed" && known.afterOffset === gap.afterOffset)) {
        this.#report("C12", `${name.consumer} was told of events missed after offset ${gap.afterOffset}; log ${name.log} has no such gap`);
      }
      return;
    }
    const { first, last } = gap;
    if (!gaps.some((known) => known.what === "pruned" && known.first <= first && last <= known.last)) {
      this.#report("C12", `${name.consumer} was told that offsets ${first} to ${last} were removed; log ${name.log} has no such gap`);
    }
    for (const set of [life.acked, life.delivered, reader.settled]) set.add(0n, [{ first, last }]);
    reader.next = reader.settled.nextAfter(reader.next - 1n);
  }

  /** C11: it was handed all that the log has. C12: it was told of all that the log lacks. */
  checkComplete(consumer: string): void {
    const name = this.#names.get(consumer);
    if (name === undefined) return this.#report("C11", `${consumer} never opened`);
    const { life } = name;
    const moved = this.#moves.get(consumer)?.at(-1);
    if (moved !== undefined && moved.token > life.token)
      this.#report("C11", `${consumer} was moved to ${moved.afterOffset} (token ${moved.token}), and never opened after that`);
    const log = this.#logs.get(name.log);
    const missing = (log?.events ?? []).filter(({ offset }) => !life.delivered.has(offset) && !name.parked.has(offset));
    const [first] = missing;
    if (first !== undefined) {
      const last = missing.at(-1) ?? first;
      this.#report(
        "C11",
        `${consumer} was never handed ${missing.length} events of log ${name.log}, offsets ${first.offset} to ${last.offset}`,
      );
    }
    for (const gap of log?.gaps ?? []) {
      if (gap.what !== "missed" || gap.afterOffset <= life.start || life.told.has(String(gap.afterOffset))) continue;
      this.#report("C12", `${consumer} was not told that events were missed after offset ${gap.afterOffset} of log ${name.log}`);
    }
  }

  #reader(id: string, what: string): Reader | undefined {
    const reader = this.#readers.get(id);
    if (reader === undefined) this.#report("C5", `reader ${id} has ${what} before it was opened`);
    return reader;
  }
}

function newLife(token: bigint, place: bigint, start: bigint, parked: ReadonlySet<bigint>): Life {
  const [acked, saved] = [new OffsetSet(place), new OffsetSet(place)];
  // Whether a park was saved is not known: it may be, and need not be, settled.
  acked.add(0n, ranges(parked));
  return { token, start, acked, saved, delivered: new OffsetSet(place), told: new Set() };
}

function ranges(offsets: Iterable<bigint>): readonly HistoryRange[] {
  return [...offsets].map((offset) => ({ first: offset, last: offset }));
}
