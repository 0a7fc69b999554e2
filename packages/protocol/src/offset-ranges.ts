import type { Offset } from "./encoded-batch.ts";

/** A closed range of offsets: `first` and `last` belong to it. */
export interface OffsetRange {
  readonly first: Offset;
  readonly last: Offset;
}

/** Ranges in ascending order, without overlap and not adjacent. Every function here takes and gives ranges in this form. */
export type OffsetRanges = readonly OffsetRange[];

/** What is settled of a log: everything at or below `mark`, and `ranges`, which begin above `mark + 1`. */
export interface Settled {
  readonly mark: Offset;
  readonly ranges: OffsetRanges;
}

/** `ranges` with one more. */
export function addRange(ranges: OffsetRanges, added: OffsetRange): OffsetRanges {
  let { first, last } = added;
  const before: OffsetRange[] = [];
  const after: OffsetRange[] = [];
  for (const range of ranges) {
    if (range.last < first - 1n) before.push(range);
    else if (range.first > last + 1n) after.push(range);
    else {
      if (range.first < first) ({ first } = range);
      if (range.last > last) ({ last } = range);
    }
  }
  return [...before, { first, last }, ...after];
}

/** Raises the mark to `upTo` when it is below it, and over every range it then touches. */
export function raiseMark({ mark, ranges }: Settled, upTo: Offset): Settled {
  let raised = upTo > mark ? upTo : mark;
  let passed = 0;
  for (const { first, last } of ranges) {
    if (first > raised + 1n) break;
    if (last > raised) raised = last;
    passed += 1;
  }
  return { mark: raised, ranges: passed === 0 ? ranges : ranges.slice(passed) };
}

/** `settled` with one more range. */
export function settle(settled: Settled, added: OffsetRange): Settled {
  if (added.last <= settled.mark) return settled;
  return raiseMark({ mark: settled.mark, ranges: addRange(settled.ranges, added) }, settled.mark);
}

/** Whether everything in `part` is settled in `whole`. */
export function covers(whole: Settled, part: Settled): boolean {
  const holds = ({ first, last }: OffsetRange): boolean =>
    last <= whole.mark || whole.ranges.some((range) => range.first <= first && range.last >= last);
  return (
    part.mark <= whole.mark &&
    part.ranges.every((range) => holds({ ...range, first: range.first > whole.mark ? range.first : whole.mark + 1n }))
  );
}

/** The first range that reaches `offset` or lies above it. */
export function rangeFrom(ranges: OffsetRanges, offset: Offset): OffsetRange | undefined {
  return ranges.find(({ last }) => last >= offset);
}

/** How many offsets of `ranges` lie below `limit`. */
export function countBelow(ranges: OffsetRanges, limit: Offset): number {
  let count = 0n;
  for (const { first, last } of ranges) {
    if (first >= limit) break;
    count += (last < limit ? last : limit - 1n) - first + 1n;
  }
  return Number(count);
}
