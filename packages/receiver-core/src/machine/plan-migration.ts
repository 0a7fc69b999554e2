import { Limits, raiseMark, type Offset, type OffsetRange, type Settled } from "@warren/protocol";

/*
 * Where a name begins in the log of another receiver. The two logs are two number lines; what joins them are events that both hold. RabbitMQ gives each
 * event to both queues in the order in which it came, so the logs agree in their order, but for events that were published at the same moment: by less
 * than `Limits.migrationMargin` events. docs/adr/0008-migrating-a-name.md has the reasons.
 */

/** An event of the new log, looked up in the old one. */
export interface LookedUp {
  readonly offset: Offset;
  /** Offset in the old log, if it has the event. */
  readonly old: Offset | undefined;
  /** The old receiver's patterns match it: if its log does not have it, it may be on its way there. */
  readonly matchesOld: boolean;
}

/** After this the events of the new log are looked at one by one. */
export function lookAfter(pivot: Offset): Offset {
  const after = pivot - BigInt(Limits.migrationMargin);
  return after > 0n ? after : 0n;
}

/**
 * What counts as settled in the new log. `pivot`: what lies below it in the new log lies, but for the margin, before the consumer's place. `events`: those
 * after `after`, in order; what is not among them counts as open. Up to the pivot everything is settled but what the old log had and the
 * consumer had not settled, or what may still come there; above the pivot nothing is but what the consumer had settled. A range too many is left
 * out: its events come again.
 */
export function placeInNewLog(pivot: Offset, after: Offset, events: readonly LookedUp[], settledInOld: Settled): Settled {
  const ranges: OffsetRange[] = [];
  for (const { offset, old, matchesOld } of events) {
    const settled = old === undefined ? offset <= pivot && !matchesOld : isSettled(settledInOld, old);
    if (!settled) continue;
    const before = ranges.at(-1);
    if (before !== undefined && before.last + 1n === offset) ranges[ranges.length - 1] = { first: before.first, last: offset };
    else if (ranges.length < Limits.ackRanges) ranges.push({ first: offset, last: offset });
    else break;
  }
  return raiseMark({ mark: after, ranges }, after);
}

/** Whether an offset is settled. */
export function isSettled({ mark, ranges }: Settled, offset: Offset): boolean {
  return offset <= mark || ranges.some(({ first, last }) => first <= offset && offset <= last);
}
