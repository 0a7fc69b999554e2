import type { KeptName } from "@warren/receiver-core/machine";
import { raiseMark, settle, type Offset, type Settled } from "@warren/protocol";

/** A parked event: the delivery under way, or 0n when it was not retried. */
interface Parked {
  deliveryId: bigint;
}

interface ConsumerRow {
  /** The broker that made it. */
  readonly madeBy: number;
  settled: Settled;
  token: bigint;
  moves: bigint;
  readonly parked: Map<Offset, Parked>;
}

/** Everything up to `mark`. */
function nothing(mark: Offset): Settled {
  return { mark, ranges: [] };
}

/** What a claim of a name found. */
export interface SimClaim {
  readonly token: bigint;
  readonly settled: Settled;
  readonly moves: bigint;
  readonly resumed: boolean;
  readonly retrying: boolean;
}

/** The rows of consumer names in PostgreSQL: fenced by token, monotone. */
export class SimConsumers {
  readonly #rows = new Map<string, ConsumerRow>();
  #tokens = 0n;
  #deliveries = 0n;

  /** W6: a new token, greater than all before it. */
  claim(name: string, brokerId: number): SimClaim {
    this.#tokens += 1n;
    const resumed = this.#rows.has(name);
    const row = this.#rows.get(name) ?? { madeBy: brokerId, settled: nothing(0n), token: 0n, moves: 0n, parked: new Map<Offset, Parked>() };
    this.#rows.set(name, row);
    row.token = this.#tokens;
    return { token: row.token, settled: row.settled, moves: row.moves, resumed, retrying: this.retrying(name, 0n).length > 0 };
  }

  /** W13: monotone, fenced by token. */
  save(name: string, token: bigint, settled: Settled): Settled | undefined {
    const row = this.#held(name, token);
    if (row === undefined) return undefined;
    row.settled = settled.ranges.reduce(settle, raiseMark(row.settled, settled.mark));
    return row.settled;
  }

  /** An operator moves it: with a new token, so that no save of an earlier session counts any more. */
  move(name: string, mark: Offset): Settled | undefined {
    const row = this.#rows.get(name);
    if (row === undefined) return undefined;
    this.#tokens += 1n;
    row.token = this.#tokens;
    row.moves += 1n;
    // What is parked stays settled.
    row.settled = [...row.parked.keys()].reduce((all, offset) => settle(all, { first: offset, last: offset }), nothing(mark));
    return row.settled;
  }

  park(name: string, token: bigint, offset: Offset): boolean {
    const row = this.#held(name, token);
    if (row === undefined) return false;
    row.settled = settle(row.settled, { first: offset, last: offset });
    if (!row.parked.has(offset)) row.parked.set(offset, { deliveryId: 0n });
    return true;
  }

  /** A side delivery failed too. */
  parkAgain(name: string, token: bigint, deliveryId: bigint): boolean {
    const row = this.#held(name, token);
    for (const parked of row?.parked.values() ?? []) if (parked.deliveryId === deliveryId) parked.deliveryId = 0n;
    return row !== undefined;
  }

  /** An operator has everything parked retried. */
  retry(name: string): void {
    for (const parked of this.#rows.get(name)?.parked.values() ?? [])
      if (parked.deliveryId === 0n) parked.deliveryId = this.#deliveries += 1n;
  }

  retrying(name: string, after: bigint): readonly { readonly offset: Offset; readonly deliveryId: bigint }[] {
    return [...(this.#rows.get(name)?.parked ?? [])]
      .map(([offset, { deliveryId }]) => ({ offset, deliveryId }))
      .filter(({ deliveryId }) => deliveryId > after)
      .toSorted((a, b) => Number(a.deliveryId - b.deliveryId));
  }

  settleRetried(name: string, token: bigint, deliveryIds: readonly bigint[]): boolean {
    const row = this.#held(name, token);
    for (const [offset, { deliveryId }] of row?.parked ?? []) if (deliveryIds.includes(deliveryId)) row?.parked.delete(offset);
    return row !== undefined;
  }

  parked(name: string): ReadonlySet<Offset> {
    return new Set(this.#rows.get(name)?.parked.keys());
  }

  madeBy(name: string): number | undefined {
    return this.#rows.get(name)?.madeBy;
  }

  token(name: string): bigint | undefined {
    return this.#rows.get(name)?.token;
  }

  kept(name: string): KeptName | undefined {
    const row = this.#rows.get(name);
    return row && { token: row.token, moves: row.moves, settled: row.settled };
  }

  settled(name: string): Settled | undefined {
    return this.#rows.get(name)?.settled;
  }

  moves(name: string): bigint {
    return this.#rows.get(name)?.moves ?? 0n;
  }

  #held(name: string, token: bigint): ConsumerRow | undefined {
    const row = this.#rows.get(name);
    return row?.token === token ? row : undefined;
  }
}
