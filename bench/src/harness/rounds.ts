/** Middle, lowest and highest of several values. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly values: readonly number[];
}

/** Spread of at least one value. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.floor((sorted.length - 1) / 2)], sorted[Math.ceil((sorted.length - 1) / 2)]];
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined || min === undefined || max === undefined) throw new Error("a spread needs a value");
  return { median: (low + high) / 2, min, max, values };
}

/**
 * Lets contestants take turns, A B C A B C: what the machine does meanwhile hits them all alike. Resolves with the results of each, by round. A round in which
 * anything fails fails the run.
 */
export async function takeTurns<Name extends string, Result>(
  names: readonly Name[],
  rounds: number,
  measure: (name: Name, round: number) => Promise<Result>,
): Promise<Readonly<Record<Name, readonly Result[]>>> {
  const results = Object.fromEntries(names.map((name) => [name, [] as Result[]])) as Record<Name, Result[]>;
  for (let round = 0; round < rounds; round += 1) for (const name of names) results[name].push(await measure(name, round));
  return results;
}

/** Spread of one figure over the rounds of one contestant. */
export function spreadBy<Result>(results: readonly Result[], figure: (result: Result) => number): Spread {
  return spreadOf(results.map(figure));
}

/** How many times the median of `ours` is of that of `theirs`, to two places. */
export function ratioOf(ours: Spread, theirs: Spread): number {
  return round2(ours.median / theirs.median);
}

/** Rounded to two places; below 0.1 to four. */
export function round2(value: number): number {
  const scale = Math.abs(value) < 0.1 ? 10_000 : 100;
  return Math.round(value * scale) / scale;
}

/** A median with its lowest and highest value, for a table. */
export function shown(spread: Spread, format: (value: number) => string = count): string {
  if (spread.values.length < 2) return format(spread.median);
  return `${format(spread.median)} (${format(spread.min)} to ${format(spread.max)})`;
}

/** A whole number with its thousands apart. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

/** Milliseconds, with as many places as tell something. */
export function millis(value: number): string {
  return value < 10 ? value.toFixed(1) : count(value);
}
