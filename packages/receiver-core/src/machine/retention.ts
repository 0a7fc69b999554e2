import type { SegmentSize } from "@warren/event-store";
import type { Offset } from "@warren/protocol";
import type { RetentionPolicy } from "@warren/state-store";

/*
 * What of a log may go. Pure: the policy, who reads the log, and pages of its segments in; how far it goes, and for whom it does not, out.
 *
 * Three places on the log, none of which falls back: `goneTo` <= `wantedTo`, both ends of whole segments. Up to `wantedTo` a limit is reached; up to `goneTo` nothing
 * holds it. The newest segment always stays: until its message is acked to RabbitMQ, its keys tell a repeat.
 */

/** A consumer as retention sees it: everything up to the mark is settled, and saved. */
export interface Reader {
  readonly name: string;
  readonly mark: Offset;
  readonly asleep: boolean;
}

/** A plan under way. */
export interface RetentionPlan {
  readonly policy: RetentionPolicy;
  readonly readers: readonly Reader[];
  /** Recorded until then, in milliseconds since 1970, is too old. */
  readonly tooOld: number;
  readonly headOffset: Offset;
  readonly keptBytes: number;
  /** Everything up to here was gone before. */
  readonly wasGoneTo: Offset;
  readonly wantedTo: Offset;
  readonly wantedBytes: number;
  readonly goneTo: Offset;
  readonly goneBytes: number;
  /** Nothing more is wanted: further pages would change nothing. */
  readonly complete: boolean;
}

/** What a plan means for a consumer that is behind. */
export interface ReaderEffect extends Reader {
  /** Events that stay for it. */
  readonly holds: bigint;
  /** Events that go though it has not settled them. */
  readonly loses: bigint;
}

/** Nothing looked at yet. Times in milliseconds since 1970. */
export function startPlan(
  policy: RetentionPolicy,
  readers: readonly Reader[],
  log: { readonly headOffset: Offset; readonly oldestOffset: Offset; readonly keptBytes: number; readonly now: number },
): RetentionPlan {
  const { headOffset, oldestOffset, keptBytes, now } = log;
  const { maxAgeMs, maxBytes, untilAcked } = policy;
  const wasGoneTo = oldestOffset - 1n;
  return {
    policy,
    readers,
    tooOld: maxAgeMs === undefined ? -Infinity : now - maxAgeMs,
    headOffset,
    keptBytes,
    wasGoneTo,
    wantedTo: wasGoneTo,
    wantedBytes: 0,
    goneTo: wasGoneTo,
    goneBytes: 0,
    complete: maxAgeMs === undefined && maxBytes === undefined && !untilAcked,
  };
}

/** Looks at the next segments after `wantedTo`; an empty page is the end of the log. */
export function extendPlan(plan: RetentionPlan, segments: readonly SegmentSize[]): RetentionPlan {
  if (plan.complete || segments.length === 0) return { ...plan, complete: true };
  const { policy, readers, keptBytes, headOffset, tooOld } = plan;
  const acked = policy.untilAcked ? ackedTo(policy, readers) : 0n;
  const free = policy.hold ? least(readers) : headOffset;
  let { wantedTo, wantedBytes, goneTo, goneBytes } = plan;
  for (const { lastOffset, bytes, recordedAt } of segments) {
    const tooMuch = policy.maxBytes !== undefined && keptBytes - wantedBytes > policy.maxBytes;
    const wanted = lastOffset < headOffset && (recordedAt <= tooOld || tooMuch || lastOffset <= acked);
    if (!wanted) return { ...plan, wantedTo, wantedBytes, goneTo, goneBytes, complete: true };
    if (goneTo === wantedTo && lastOffset <= free) {
      goneTo = lastOffset;
      goneBytes += bytes;
    }
    wantedTo = lastOffset;
    wantedBytes += bytes;
  }
  return { ...plan, wantedTo, wantedBytes, goneTo, goneBytes };
}

/** Consumers that hold events, or lose some, furthest behind first. */
export function effectsOf({ readers, wantedTo, goneTo, wasGoneTo }: RetentionPlan): readonly ReaderEffect[] {
  return readers
    .map((reader) => ({
      ...reader,
      holds: wantedTo > goneTo ? positive(wantedTo - greater(reader.mark, goneTo)) : 0n,
      loses: positive(goneTo - greater(reader.mark, wasGoneTo)),
    }))
    .filter(({ holds, loses }) => holds > 0n || loses > 0n)
    .toSorted((a, b) => (a.mark < b.mark ? -1 : a.mark > b.mark ? 1 : a.name < b.name ? -1 : 1));
}

/** Up to where `untilAcked` wants events to go: with hold as far as anybody is (who is behind then holds them), else as far as all who are awake. */
function ackedTo({ hold }: RetentionPolicy, readers: readonly Reader[]): Offset {
  if (hold) return readers.reduce((most, { mark }) => greater(most, mark), 0n);
  const awake = readers.filter(({ asleep }) => !asleep);
  return awake.length === 0 ? 0n : least(awake);
}

/** Where the furthest behind is; without readers nothing is held. */
function least(readers: readonly Reader[]): Offset {
  const [first, ...rest] = readers.map(({ mark }) => mark);
  if (first === undefined) return endless;
  return rest.reduce((low, mark) => (mark < low ? mark : low), first);
}

/** Above every offset. */
const endless: Offset = 2n ** 63n;

function greater(one: Offset, two: Offset): Offset {
  return one > two ? one : two;
}

function positive(count: bigint): bigint {
  return count > 0n ? count : 0n;
}
