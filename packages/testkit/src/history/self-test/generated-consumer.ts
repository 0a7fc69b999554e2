import type { Prng } from "../../simulation/prng.ts";
import type { HistoryRange, HistoryRecord } from "../history.ts";
import type { GeneratedLog } from "./generated-log.ts";

interface ParkedRow {
  retried: boolean;
  done: boolean;
  /** Programs that were handed it. */
  readonly handed: Set<string>;
}

/** A consumer of a generated history, and the programs that use its name. */
export class GeneratedConsumer {
  readonly consumer: string;
  readonly #log: GeneratedLog;
  readonly #nextToken: () => bigint;
  readonly #random: Prng;
  readonly #records: HistoryRecord[];
  /** Whether its programs are told what is settled. */
  readonly #tellsSettled: boolean;
  readonly #rows = new Map<bigint, ParkedRow>();
  #saved = new Set<bigint>();
  #mark: bigint;
  #programs = 0;
  #reader = "";
  #token = 0n;
  #open = false;
  /** What the program of now was handed or need not be. */
  #cursor = 0n;
  #skips = new Set<bigint>();
  #working: bigint[] = [];
  #unsaved: bigint[] = [];
  #moved = false;

  constructor(consumer: string, log: GeneratedLog, nextToken: () => bigint, random: Prng, records: HistoryRecord[]) {
    this.consumer = consumer;
    this.#log = log;
    this.#nextToken = nextToken;
    this.#random = random;
    this.#records = records;
    this.#tellsSettled = random.chance(0.7);
    this.#mark = random.chance(0.7) ? 0n : log.head;
    this.#begin(true);
  }

  /** Something happens to it. */
  step(): void {
    const random = this.#random;
    if (!this.#open) return this.#begin(random.chance(0.5));
    const what = random.below(100);
    if (what < 55) this.#deliver();
    else if (what < 80) this.#settle("ack");
    else if (what < 84) this.#settle("parked");
    else if (what < 90) this.#save(random.chance(0.7));
    else if (what < 92) this.#retry();
    else if (what < 96) this.#side();
    else if (what < 98) this.#open = false;
    else if (what < 99) this.#begin(true);
    else this.#move();
  }

  /** It is handed all that is left for it. */
  finish(): void {
    if (!this.#open) this.#begin(this.#random.chance(0.5));
    while (this.#deliver());
    while (this.#side());
  }

  /** A session of a new program, or of the one that was there. */
  #begin(anew: boolean): void {
    const { consumer } = this;
    if (anew || this.#reader === "") {
      this.#programs += 1;
      this.#reader = `${consumer}-${this.#programs}`;
      this.#working = [];
      this.#unsaved = [];
    }
    if (anew || this.#moved) {
      this.#cursor = this.#mark;
      this.#skips = new Set();
    }
    this.#moved = false;
    this.#token = this.#nextToken();
    this.#open = true;
    for (const offset of this.#saved) this.#skips.add(offset);
    if (this.#cursor < this.#mark) this.#cursor = this.#mark;
    this.#records.push({
      kind: "opened",
      consumer,
      log: this.#log.log,
      reader: this.#reader,
      token: this.#token,
      afterOffset: this.#mark,
      ...(this.#tellsSettled ? { settled: this.#ranges() } : {}),
    });
  }

  /** False: there is nothing. */
  #deliver(): boolean {
    const { events, gaps, pruned, head } = this.#log;
    const reader = this.#reader;
    const missed = gaps.find((gap) => gap.what === "missed" && gap.afterOffset === this.#cursor);
    if (missed !== undefined) this.#records.push({ kind: "gap", reader, ...missed });
    while (this.#skips.has(this.#cursor + 1n)) {
      this.#cursor += 1n;
      const also = gaps.find((gap) => gap.what === "missed" && gap.afterOffset === this.#cursor);
      if (also !== undefined) this.#records.push({ kind: "gap", reader, ...also });
    }
    const next = this.#cursor + 1n;
    if (next > head) return false;
    if (next <= pruned) {
      this.#records.push({ kind: "gap", reader, what: "pruned", first: next, last: pruned });
      for (const gap of gaps)
        if (gap.what === "missed" && gap.afterOffset >= next && gap.afterOffset < pruned)
          this.#records.push({ kind: "gap", reader, ...gap });
      for (let offset = next; offset <= pruned; offset += 1n) this.#unsaved.push(offset);
      this.#cursor = pruned;
      return true;
    }
    const row = events[Number(next - pruned) - 1];
    if (row === undefined) throw new Error(`${this.#log.log} has no offset ${next}`);
    this.#records.push({ kind: "event", reader, ...row, ...(this.#random.chance(0.5) ? { token: this.#token } : {}) });
    this.#cursor = next;
    this.#working.push(next);
    return true;
  }

  #settle(kind: "ack" | "parked"): void {
    const at = this.#random.chance(0.8) ? 0 : this.#random.below(this.#working.length);
    const [offset] = this.#working.splice(at, 1);
    if (offset === undefined) return;
    this.#records.push({ kind, reader: this.#reader, offset });
    this.#unsaved.push(offset);
    if (kind === "parked" && !this.#rows.has(offset)) {
      // It is saved at once, so that nobody has a retry of what is not parked.
      this.#rows.set(offset, { retried: false, done: false, handed: new Set() });
      this.#save(false);
    }
  }

  /** Saves what was settled, and perhaps tells it. */
  #save(tell: boolean): void {
    for (const offset of this.#unsaved.splice(0)) if (offset > this.#mark) this.#saved.add(offset);
    while (this.#saved.delete(this.#mark + 1n)) this.#mark += 1n;
    if (tell) this.#records.push({ kind: "acked", reader: this.#reader, token: this.#token, upTo: this.#mark, ranges: this.#ranges() });
  }

  #retry(): void {
    const waiting = [...this.#rows].find(([, row]) => !row.retried);
    if (waiting === undefined) return;
    const [offset, row] = waiting;
    this.#records.push({ kind: "retried", consumer: this.consumer, offset });
    row.retried = true;
  }

  /** False: there is none. */
  #side(): boolean {
    const due = [...this.#rows].find(([, row]) => row.retried && !row.done && !row.handed.has(this.#reader));
    if (due === undefined) return false;
    const [offset, row] = due;
    const reader = this.#reader;
    const stored = this.#log.events.find((each) => each.offset === offset);
    row.handed.add(reader);
    this.#records.push({ kind: "side", reader, offset, event: stored?.event ?? "pruned", digest: stored?.digest ?? "pruned" });
    if (this.#random.chance(0.2)) return true;
    this.#records.push({ kind: "side-ack", reader, offset });
    if (this.#random.chance(0.2)) return true;
    this.#records.push({ kind: "side-acked", reader, offset });
    row.done = true;
    return true;
  }

  #move(): void {
    const token = this.#nextToken();
    const afterOffset = BigInt(this.#random.below(Number(this.#log.head) + 1));
    this.#records.push({ kind: "moved", consumer: this.consumer, token, afterOffset });
    this.#open = false;
    this.#moved = true;
    this.#mark = afterOffset;
    this.#saved = new Set([...this.#rows.keys()].filter((offset) => offset > afterOffset));
    this.#working = [];
    this.#unsaved = [];
    this.#save(false);
  }

  #ranges(): readonly HistoryRange[] {
    return [...this.#saved].toSorted((a, b) => (a < b ? -1 : 1)).map((offset) => ({ first: offset, last: offset }));
  }
}
