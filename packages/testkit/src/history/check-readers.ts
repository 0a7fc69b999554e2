import type { FinalLog, History, HistoryRange, HistoryRecord, Violation } from "./history.ts";
import { OffsetSet } from "./offset-set.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;
type Report = (rule: Violation["rule"], text: string) => void;

/** What is known of a consumer's name. */
interface Name {
  readonly consumer: string;
  readonly log: string;
  readonly start: bigint;
  /** What its applications said is done, and what was told to be lost. */
  readonly acked: OffsetSet;
  /** What was told to be saved. */
  readonly saved: OffsetSet;
  readonly delivered: OffsetSet;
  readonly told: Set<string>;
  readonly tokens: Set<bigint>;
  newest: { readonly token: bigint; readonly settled: OffsetSet };
}

interface Reader {
  readonly name: Name;
  token: bigint;
  /** The offset that must come. */
  next: bigint;
  readonly settled: OffsetSet;
  savedUpTo: bigint;
}

/** C5 to C8, C11 and C12: what readers were handed and told, against the logs. */
export function checkReaders(history: History, report: Report): void {
  const checker = new ReaderChecker(history.logs, report);
  for (const record of history.records) checker.step(record);
  for (const consumer of history.complete) checker.checkComplete(consumer);
}

class ReaderChecker {
  readonly #report: Report;
  readonly #logs: ReadonlyMap<string, FinalLog & { readonly at: ReadonlyMap<bigint, FinalLog["events"][number]> }>;
  readonly #names = new Map<string, Name>();
  readonly #readers = new Map<string, Reader>();

  constructor(logs: readonly FinalLog[], report: Report) {
    this.#report = report;
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
      case "publish":
      case "outcome":
      case "log-opened":
    }
  }

  #opened({ consumer, log, reader, token, afterOffset, settled }: Of<"opened">): void {
    const begun = new OffsetSet(afterOffset);
    begun.add(0n, settled);
    const newest = { token, settled: begun };
    let name = this.#names.get(consumer);
    if (name === undefined) {
      const start = afterOffset;
      const sets = { acked: new OffsetSet(start), saved: new OffsetSet(start), delivered: new OffsetSet(start) };
      name = { consumer, log, start, ...sets, told: new Set(), tokens: new Set(), newest };
      this.#names.set(consumer, name);
    }
    if (name.tokens.has(token)) this.#report("C8", `two sessions of ${consumer} have token ${token}`);
    name.tokens.add(token);
    const lost = name.acked.missing(afterOffset, settled);
    if (lost !== undefined)
      this.#report("C7", `${consumer} (token ${token}) goes on after ${afterOffset}, but offset ${lost} was never acked`);
    if (token >= name.newest.token) {
      name.newest = newest;
      const again = begun.missing(name.saved.mark, ranges(name.saved.above));
      if (again !== undefined) this.#report("C7", `${consumer} (token ${token}) is sent offset ${again} again, which was told to be saved`);
    }
    this.#open(reader, name, token, afterOffset, settled);
  }

  #open(id: string, name: Name, token: bigint, afterOffset: bigint, settled: readonly HistoryRange[]): void {
    const reader = this.#readers.get(id) ?? { name, token, next: 0n, settled: new OffsetSet(), savedUpTo: 0n };
    if (this.#readers.has(id) && token <= reader.token) {
      this.#report("C8", `reader ${id} was opened with token ${token} after token ${reader.token}`);
    }
    this.#readers.set(id, reader);
    reader.token = token;
    reader.savedUpTo = afterOffset;
    reader.settled.add(afterOffset, settled);
    reader.next = reader.settled.nextAfter(reader.next - 1n);
  }

  #event({ reader: id, offset, event, digest, token }: Of<"event">): void {
    const reader = this.#reader(id, `event ${event}`);
    if (reader === undefined) return;
    const { name } = reader;
    const what = `${name.consumer} (reader ${id}) was handed offset ${offset}`;
    if (token !== undefined && token !== reader.token) this.#report("C8", `${what} of token ${token} while it has token ${reader.token}`);
    if (offset !== reader.next) this.#report("C5", `${what} where ${reader.next} must come`);
    reader.next = reader.settled.nextAfter(offset);
    name.delivered.add(0n, [{ first: offset, last: offset }]);
    const stored = this.#logs.get(name.log)?.at.get(offset);
    if (stored === undefined) this.#report("C6", `${what} (${event}), which is not in log ${name.log}`);
    else if (stored.event !== event) this.#report("C6", `${what} as ${event}; log ${name.log} has ${stored.event} there`);
    else if (stored.digest !== digest) this.#report("C6", `${what} (${event}) with other content than log ${name.log} has`);
  }

  #ack({ reader: id, offset }: Of<"ack">): void {
    const name = this.#reader(id, `ack of ${offset}`)?.name;
    if (name?.delivered.has(offset) === false)
      this.#report("C7", `${name.consumer} (reader ${id}) acked offset ${offset} before it was handed over`);
    name?.acked.add(0n, [{ first: offset, last: offset }]);
  }

  #acked({ reader: id, token, upTo, ranges: saved }: Of<"acked">): void {
    const reader = this.#reader(id, `saved up to ${upTo}`);
    if (reader === undefined) return;
    const { name } = reader;
    const what = `${name.consumer} (reader ${id}, token ${token}) was told that offsets up to ${upTo} are saved`;
    const never = name.acked.missing(upTo, saved);
    if (never !== undefined) this.#report("C7", `${what}; offset ${never} was never acked`);
    if (token === reader.token && upTo < reader.savedUpTo) this.#report("C7", `${what} after ${reader.savedUpTo} were`);
    if (token === reader.token) reader.savedUpTo = upTo;
    const late = token < name.newest.token ? name.newest.settled.missing(upTo, saved) : undefined;
    if (late !== undefined) this.#report("C8", `${what}, but token ${name.newest.token} had begun without offset ${late}`);
    name.saved.add(upTo, saved);
  }

  #gap(gap: Of<"gap">): void {
    const reader = this.#reader(gap.reader, "a gap");
    if (reader === undefined) return;
    const { name } = reader;
    const gaps = this.#logs.get(name.log)?.gaps ?? [];
    if (gap.what === "missed") {
      name.told.add(String(gap.afterOffset));
      if (!gaps.some((known) => known.what === "missed" && known.afterOffset === gap.afterOffset)) {
        this.#report("C12", `${name.consumer} was told of events missed after offset ${gap.afterOffset}; log ${name.log} has no such gap`);
      }
      return;
    }
    const { first, last } = gap;
    if (!gaps.some((known) => known.what === "pruned" && known.first <= first && last <= known.last)) {
      this.#report("C12", `${name.consumer} was told that offsets ${first} to ${last} were removed; log ${name.log} has no such gap`);
    }
    for (const set of [name.acked, name.delivered, reader.settled]) set.add(0n, [{ first, last }]);
    reader.next = reader.settled.nextAfter(reader.next - 1n);
  }

  /** C11: it was handed all that the log has. C12: it was told of all that the log lacks. */
  checkComplete(consumer: string): void {
    const name = this.#names.get(consumer);
    if (name === undefined) return this.#report("C11", `${consumer} never opened`);
    const log = this.#logs.get(name.log);
    const missing = (log?.events ?? []).filter(({ offset }) => !name.delivered.has(offset));
    const [first] = missing;
    if (first !== undefined) {
      const last = missing.at(-1) ?? first;
      this.#report(
        "C11",
        `${consumer} was never handed ${missing.length} events of log ${name.log}, offsets ${first.offset} to ${last.offset}`,
      );
    }
    for (const gap of log?.gaps ?? []) {
      if (gap.what !== "missed" || gap.afterOffset <= name.start || name.told.has(String(gap.afterOffset))) continue;
      this.#report("C12", `${consumer} was not told that events were missed after offset ${gap.afterOffset} of log ${name.log}`);
    }
  }

  #reader(id: string, what: string): Reader | undefined {
    const reader = this.#readers.get(id);
    if (reader === undefined) this.#report("C5", `reader ${id} has ${what} before it was opened`);
    return reader;
  }
}

function ranges(offsets: Iterable<bigint>): Iterable<HistoryRange> {
  return [...offsets].map((offset) => ({ first: offset, last: offset }));
}
