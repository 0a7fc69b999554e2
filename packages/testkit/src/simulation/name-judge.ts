import { covers, raiseMark, settle, type Offset, type OffsetRange, type Settled } from "@warren/protocol";
import type { MissedGap } from "@warren/event-store";
import { rule } from "./violation.ts";

const nothing: Settled = { mark: 0n, ranges: [] };

/** What counts until an operator moves the name. */
interface Era {
  /** Its programs were told that this is saved: none of it may come again. */
  saved: Settled;
  /** They said that this is done, or were told that it is gone. */
  done: Settled;
}

/** What all programs of one consumer name know together, and what must hold between them: W5, W6, W7, W9. */
export class NameJudge {
  readonly name: string;
  /** Handed to some program, told to be gone, or passed over by an operator. */
  seen: Settled = nothing;
  readonly toldMissed = new Set<MissedGap>();
  /** Gaps that must be told before the end. */
  readonly dueMissed = new Set<MissedGap>();
  readonly #eras = new Map<bigint, Era>();
  readonly #settledSides = new Set<bigint>();
  readonly #parked = new Set<Offset>();
  #newestToken = 0n;

  constructor(name: string) {
    this.name = name;
  }

  /** A session began. False: a newer one of this name was heard of before. */
  opened(token: bigint, moves: bigint, settled: Settled): boolean {
    rule(token !== this.#newestToken, `W6: token ${token} of ${this.name} was given twice`);
    if (token < this.#newestToken) return false;
    this.#newestToken = token;
    const { saved, done } = this.#era(moves);
    rule(covers(settled, saved), `W5: ${this.name} is opened at ${text(settled)}, which lacks of the saved ${text(saved)}`);
    rule(covers(done, settled), `W7: ${this.name} is opened at ${text(settled)}, of which not all was done: ${text(done)}`);
    return true;
  }

  handed(offset: Offset): void {
    for (const gap of this.dueMissed)
      rule(
        offset <= gap.afterOffset || this.toldMissed.has(gap),
        `W9: ${this.name} is handed ${offset}, and not told that events may be missing after ${gap.afterOffset}`,
      );
    this.seen = settle(this.seen, { first: offset, last: offset });
  }

  /** The program is done with it, or set it aside. */
  done(moves: bigint, offset: Offset): void {
    const era = this.#era(moves);
    era.done = settle(era.done, { first: offset, last: offset });
  }

  parks(moves: bigint, offset: Offset): void {
    this.#parked.add(offset);
    this.done(moves, offset);
  }

  /** The program was told that these are gone. */
  gone(moves: bigint, range: OffsetRange): void {
    const era = this.#era(moves);
    era.done = settle(era.done, range);
    this.seen = settle(this.seen, range);
  }

  acked(token: bigint, moves: bigint, settled: Settled, deliveryIds: readonly bigint[]): void {
    const era = this.#era(moves);
    rule(covers(era.done, settled), `W7: ${text(settled)} of ${this.name} is saved, of which not all was done: ${text(era.done)}`);
    for (const id of deliveryIds) this.#settledSides.add(id);
    if (token >= this.#newestToken) era.saved = settled.ranges.reduce(settle, raiseMark(era.saved, settled.mark));
  }

  side(token: bigint, deliveryId: bigint, offset: Offset): void {
    rule(this.#parked.has(offset), `W5: ${this.name} has a side delivery of ${offset}, which nobody parked`);
    // Who was replaced, and does not know it yet, may be sent what was read for it before.
    if (token < this.#newestToken) return;
    rule(!this.#settledSides.has(deliveryId), `W5: side delivery ${deliveryId} of ${this.name} came again after it was settled`);
  }

  /** An operator moved the name to `settled`. */
  moved(moves: bigint, settled: Settled): void {
    this.#eras.set(moves, { saved: settled, done: settled });
    this.seen = raiseMark(this.seen, settled.mark);
    // What it is moved over is not told to it.
    for (const gap of this.dueMissed) if (gap.afterOffset <= settled.mark) this.dueMissed.delete(gap);
  }

  #era(moves: bigint): Era {
    const era = this.#eras.get(moves) ?? { saved: nothing, done: nothing };
    this.#eras.set(moves, era);
    return era;
  }
}

function text({ mark, ranges }: Settled): string {
  return [`${mark}`, ...ranges.map(({ first, last }) => `${first}-${last}`)].join(" ");
}
