import type { EventLog } from "@warren/event-store";
import {
  decodeEvent,
  lastOffsetOf,
  Limits,
  Times,
  TopicMatcher,
  WarrenError,
  type EncodedBatch,
  type Offset,
  type Settled,
} from "@warren/protocol";
import type { ReceiverRow } from "@warren/state-store";
import { isSettled, lookAfter, placeInNewLog, type LookedUp } from "./machine/plan-migration.ts";

/** A name that is to go over to another receiver. */
export interface Migrant {
  readonly name: string;
  readonly settled: Settled;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly from: ReceiverRow;
  readonly to: ReceiverRow;
}

/** Where a name goes on in the other log. */
export interface MigrationPlace {
  readonly settled: Settled;
  /** Between these times events may have passed that the other log does not have: it did not exist yet. */
  readonly missed: { readonly fromTime: number; readonly toTime: number } | undefined;
}

interface Identified {
  readonly offset: Offset;
  readonly source: string;
  readonly id: string;
  readonly type: string;
}

/** Bytes read of one log before what is left is taken as it is. */
const lookBytes = 64 * 1024 * 1024;

/**
 * Finds where a name goes on in another log. Throws CONFIG_MISMATCH when un-settled events that the new config takes are not in its log, or when that cannot
 * be told; STORE_UNAVAILABLE.
 */
export async function findMigrationPlace(
  log: EventLog,
  migrant: Migrant,
  options: { readonly signal: AbortSignal },
): Promise<MigrationPlace> {
  const { settled, from, to } = migrant;
  const pivot = await newestCommon(log, migrant, options);
  if (pivot === undefined) return placeWithoutCommon(log, migrant, options);
  const after = lookAfter(pivot);
  const matcher = new TopicMatcher(from.config.patterns);
  const events: LookedUp[] = [];
  for await (const chunk of eventsAfter(log, to.receiverId, after, lookBytes, options)) {
    const offsets = await log.offsetsOf(from.receiverId, chunk, options);
    events.push(...chunk.map(({ offset, type }, index) => ({ offset, old: offsets.get(index), matchesOld: matcher.matches(type) })));
    if ((chunk.at(-1)?.offset ?? 0n) >= pivot + BigInt(Limits.migrationMargin)) break;
  }
  return { settled: placeInNewLog(pivot, after, events, settled), missed: undefined };
}

/**
 * The newest settled event that the other log has too. That it has one says also that its queue was there: what came after this event is in it, or will be.
 */
async function newestCommon(
  log: EventLog,
  { settled, from, to }: Migrant,
  options: { readonly signal: AbortSignal },
): Promise<Offset | undefined> {
  const lowest = lookAfter(settled.mark);
  for (let upTo = settled.mark; upTo > lowest;) {
    const below = upTo - BigInt(Limits.chunkEvents);
    const after = below > lowest ? below : lowest;
    const events: Identified[] = [];
    for await (const chunk of eventsAfter(log, from.receiverId, after, lookBytes, options)) {
      events.push(...chunk.filter(({ offset }) => offset <= upTo));
      if ((chunk.at(-1)?.offset ?? 0n) >= upTo) break;
    }
    const found = await log.offsetsOf(to.receiverId, events, options);
    const newest = Math.max(...found.keys());
    if (found.size > 0) return found.get(newest);
    // Pruned below.
    if ((events[0]?.offset ?? upTo) > after + 1n) return undefined;
    upTo = after;
  }
  return undefined;
}

/** No settled event joins the logs: the place is a time, and before every un-settled event. */
async function placeWithoutCommon(log: EventLog, migrant: Migrant, options: { readonly signal: AbortSignal }): Promise<MigrationPlace> {
  const { settled, createdAt, from, to } = migrant;
  const oldest = await oldestOpen(log, migrant, options);
  const fromTime = (await recordedAt(log, from.receiverId, settled.mark, options)) ?? createdAt;
  const byTime = await log.offsetBefore(to.receiverId, fromTime - Times.migrationMarginMs, options);
  const byEvent = oldest === undefined ? byTime : lookAfter(oldest - 1n);
  const toTime = to.completeSince ?? fromTime;
  return {
    settled: { mark: byEvent < byTime ? byEvent : byTime, ranges: [] },
    missed: toTime > fromTime ? { fromTime, toTime } : undefined,
  };
}

/** The first place in the other log of an un-settled event. Undefined: there is none that the new config takes. */
async function oldestOpen(log: EventLog, migrant: Migrant, options: { readonly signal: AbortSignal }): Promise<Offset | undefined> {
  const { name, settled, from, to } = migrant;
  const matcher = new TopicMatcher(to.config.patterns);
  let [seen, missing] = [0, 0];
  let oldest: Offset | undefined;
  for await (const chunk of eventsAfter(log, from.receiverId, settled.mark, Number.POSITIVE_INFINITY, options)) {
    const open = chunk.filter(({ offset, type }) => !isSettled(settled, offset) && matcher.matches(type));
    const found = await log.offsetsOf(to.receiverId, open, options);
    for (const offset of found.values()) if (oldest === undefined || offset < oldest) oldest = offset;
    missing += open.length - found.size;
    seen += chunk.length;
    if (seen > Limits.migrationMargin) break;
  }
  const tooMany = seen > Limits.migrationMargin;
  if (missing === 0 && !tooMany) return oldest;
  const what = missing > 0 ? `${missing} un-acked events that the new config takes` : `more than ${Limits.migrationMargin} un-acked events`;
  throw new WarrenError(
    "CONFIG_MISMATCH",
    `consumer ${name} has ${what}, and the log of the new config does not have them all: ack them with the old config first (the new one stores from now on), or give them up with \`warren consumer seek ${name} latest\`; then open again`,
  );
}

/** When an event was stored, if it is kept. */
async function recordedAt(
  log: EventLog,
  receiverId: bigint,
  offset: Offset,
  options: { readonly signal: AbortSignal },
): Promise<number | undefined> {
  if (offset === 0n || offset > (await log.status(receiverId, options)).headOffset) return undefined;
  const read = await log.read({ receiverId, afterOffset: offset - 1n, maxEvents: 1, maxBytes: 1 }, options);
  return read.kind === "pruned" ? undefined : read.segments[0]?.recordedAt;
}

/** Events after an offset, chunk by chunk, past what was pruned, to the head or until enough bytes were read. */
async function* eventsAfter(
  log: EventLog,
  receiverId: bigint,
  afterOffset: Offset,
  maxBytes: number,
  options: { readonly signal: AbortSignal },
): AsyncGenerator<Identified[]> {
  const { headOffset } = await log.status(receiverId, options);
  let bytes = 0;
  for (let after = afterOffset; after < headOffset && bytes < maxBytes;) {
    const read = await log.read({ receiverId, afterOffset: after, maxEvents: Limits.chunkEvents, maxBytes: Limits.chunkBytes }, options);
    if (read.kind === "pruned") {
      after = read.gap.lastOffset;
      continue;
    }
    const from = after;
    for (const segment of read.segments) {
      bytes += segment.bytes.length;
      after = lastOffsetOf(segment);
    }
    yield read.segments.flatMap(identified).filter(({ offset }) => offset > from);
  }
}

function identified({ firstOffset, count, bytes, eventEnds }: EncodedBatch): readonly Identified[] {
  return Array.from({ length: count }, (_, index) => {
    const { source, id, type } = decodeEvent(bytes.subarray(index === 0 ? 0 : eventEnds[index - 1], eventEnds[index]));
    return { offset: firstOffset + BigInt(index), source, id, type };
  });
}
