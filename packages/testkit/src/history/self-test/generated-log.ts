import type { Prng } from "../../simulation/prng.ts";
import type { FinalLog, HistoryGap, HistoryRecord } from "../history.ts";
import { matchesTopic } from "../matches-topic.ts";

type Row = FinalLog["events"][number];

/** A log of a generated history: takes an event once, in commits, from one writer after the other. */
export class GeneratedLog implements FinalLog {
  readonly log: string;
  readonly patterns: readonly string[];
  readonly events: Row[] = [];
  readonly gaps: HistoryGap[] = [];
  readonly commits: { readonly first: bigint; readonly last: bigint; readonly epoch: bigint }[] = [];
  opened = false;
  /** Removed up to here. */
  pruned = 0n;
  readonly #random: Prng;
  readonly #records: HistoryRecord[];
  readonly #keys = new Set<string>();
  #batch: Omit<Row, "offset">[] = [];
  #epoch = 1n;
  /** Its queue is away. */
  #away = false;

  constructor(log: string, patterns: readonly string[], random: Prng, records: HistoryRecord[]) {
    this.log = log;
    this.patterns = patterns;
    this.#random = random;
    this.#records = records;
  }

  get head(): bigint {
    return this.commits.at(-1)?.last ?? 0n;
  }

  /** From now on it takes what its patterns match. */
  open(): void {
    this.opened = true;
    this.#records.push({ kind: "log-opened", log: this.log, patterns: this.patterns });
  }

  take({ event, type, digest }: { readonly event: string; readonly type: string; readonly digest: string }): void {
    if (!this.opened || this.#keys.has(event) || !this.patterns.some((pattern) => matchesTopic(pattern, type))) return;
    if (this.#away) {
      this.commit();
      if (!this.gaps.some((gap) => gap.what === "missed" && gap.afterOffset === this.head))
        this.gaps.push({ what: "missed", afterOffset: this.head });
      return;
    }
    this.#keys.add(event);
    this.#batch.push({ event, digest });
  }

  /** Stores what it took. */
  commit(): void {
    if (this.#batch.length === 0) return;
    const first = this.head + 1n;
    for (const [index, row] of this.#batch.entries()) this.events.push({ ...row, offset: first + BigInt(index) });
    this.commits.push({ first, last: this.head + BigInt(this.#batch.length), epoch: this.#epoch });
    this.#batch = [];
  }

  /** Another writer; its queue goes or comes; or old commits are removed. */
  disturb(): void {
    const what = this.#random.below(3);
    if (what === 0) this.#epoch += BigInt(1 + this.#random.below(2));
    else if (what === 1) this.#away = this.log !== "archive" && !this.#away;
    // Newest kept: a log that is empty forgets its head here, which a real one does not.
    else if (this.commits.length > 2) this.#prune(this.#random.below(this.commits.length - 1));
  }

  #prune(count: number): void {
    const last = this.commits.splice(0, count).at(-1)?.last;
    if (last === undefined) return;
    this.events.splice(0, Number(last - this.pruned));
    this.pruned = last;
    const at = this.gaps.findIndex(({ what }) => what === "pruned");
    this.gaps.splice(Math.max(at, 0), at < 0 ? 0 : 1, { what: "pruned", first: 1n, last });
  }
}
