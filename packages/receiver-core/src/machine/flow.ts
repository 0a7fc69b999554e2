import { Limits, lastOffsetOf, rangeFrom, type EncodedBatch, type Offset } from "@warren/protocol";
import type { LogGap } from "@warren/event-store";
import { planRead } from "@warren/replay";
import type { Frame } from "../subscription.ts";
import { inFlight, type Awake, type ConsumerEffect } from "./consumer-state.ts";
import { addSent } from "./sent-bytes.ts";
import { loadSides, nextSide, sideSent } from "./sides.ts";

/** An awake consumer and what to do now. */
export interface FlowStep {
  readonly awake: Awake;
  readonly effects: readonly ConsumerEffect[];
}

/** A frame was made: the stream's wish is served. */
export function emit(awake: Awake, frame: Frame, now: number): FlowStep {
  return {
    awake: { ...awake, pulling: false, frameAt: now },
    effects: [{ kind: "emit", sessionId: awake.session.sessionId, frame }],
  };
}

/** W9: a gap is told, or ends the session; `awake` has passed it. */
export function tellGap(awake: Awake, gap: LogGap, now: number): FlowStep {
  return awake.session.onGap === "fail" ? { awake: { ...awake, failedAt: gap }, effects: [] } : emit(awake, { kind: "gap", gap }, now);
}

/**
 * Makes the next frame when the stream asks for one: at most one frame per wish, so that nothing is buffered for a slow reader (W8).
 * Offsets are consecutive (W5): what the buffer holds below `next` is skipped, a hole in it is our bug.
 */
export function flow(given: Awake, now: number): FlowStep {
  const loaded = loadSides(given);
  const sent = events(loaded.awake, now);
  return { awake: sent.awake, effects: [...loaded.effects, ...sent.effects] };
}

function events(given: Awake, now: number): FlowStep {
  if (!given.pulling || given.paused !== undefined || (given.reading && !holdsNext(given))) return { awake: given, effects: [] };
  const side = nextSide(given.sides);
  if (side !== undefined) return emit({ ...given, sides: sideSent(given.sides, side) }, { kind: "side", side }, now);
  const awake = passSettled(given);
  const gap = awake.gaps[0];
  if (gap !== undefined && gap.afterOffset < awake.next) {
    return tellGap({ ...awake, gaps: awake.gaps.slice(1) }, gap, now);
  }
  const room = awake.session.maxInFlight - inFlight(awake);
  if (room <= 0 || awake.sent.total >= awake.session.maxInFlightBytes) return { awake, effects: [] };
  const buffer = awake.buffer.filter((segment) => lastOffsetOf(segment) >= awake.next);
  const segment = buffer[0];
  // Not past the head that the receiver knows: what another broker stored since may follow a gap that was not heard of here (W9).
  if (segment !== undefined && segment.firstOffset <= awake.next && awake.next <= awake.head) {
    const settledFrom = rangeFrom(awake.settled.ranges, awake.next)?.first;
    const until = least(gap?.afterOffset, settledFrom === undefined || settledFrom > awake.head ? awake.head : settledFrom - 1n);
    return sendEvents({ ...awake, buffer }, segment, room, until, now);
  }
  return read({ ...awake, buffer: [] }, now);
}

/** What was read ahead holds the next event, so it need not be waited for. */
function holdsNext({ buffer, next }: Awake): boolean {
  const last = buffer.at(-1);
  return last !== undefined && lastOffsetOf(last) >= next;
}

/** W5: what `opened` listed as settled is not sent. */
function passSettled(awake: Awake): Awake {
  const { mark, ranges } = awake.settled;
  // An ack may have raised the mark over such a range.
  const next = awake.next > mark ? awake.next : mark + 1n;
  const range = rangeFrom(ranges, next);
  return { ...awake, next: range !== undefined && range.first <= next ? range.last + 1n : next };
}

function least(one: Offset | undefined, two: Offset): Offset {
  return one !== undefined && one < two ? one : two;
}

function read(awake: Awake, now: number): FlowStep {
  const { sessionId } = awake.session;
  switch (planRead(awake.next, awake)) {
    case "wait":
      if (awake.mode === "live") return { awake, effects: [] };
      return emit({ ...awake, mode: "live" }, { kind: "caught-up", offset: awake.next - 1n }, now);
    case "tail":
      return { awake: { ...awake, reading: true }, effects: [{ kind: "read-tail", sessionId, offset: awake.next }] };
    case "log":
      // Between two of these lies a whole tail of events: a tail that is empty (the head moved without a segment) tells nothing of the reader.
      if (awake.mode === "live" && awake.tailFirst <= awake.head) {
        return emit({ ...awake, mode: "catching-up" }, { kind: "fell-behind", offset: awake.next - 1n }, now);
      }
      return { awake: { ...awake, reading: true }, effects: [{ kind: "read-log", sessionId, afterOffset: awake.next - 1n }] };
  }
}

/** Sends events of `segment` from `next` on: not more than there is room, not past a gap or into what is settled, not above the bytes of one batch. */
function sendEvents(awake: Awake, segment: EncodedBatch, room: number, until: Offset, now: number): FlowStep {
  const from = Number(awake.next - segment.firstOffset);
  const limit = Math.min(segment.count, Number(until - segment.firstOffset) + 1);
  const { maxInFlightBytes } = awake.session;
  const roomBytes = maxInFlightBytes - awake.sent.total;
  const to = fit(segment, from, Math.min(limit, from + room), Math.min(roomBytes, Limits.batchBytes));
  const bytes = bytesOf(segment, from, to);
  // One event is sent whatever its size, when nothing is under way.
  if (bytes > roomBytes && awake.sent.total > 0) return { awake: { ...awake, starved: true }, effects: [] };
  const idle = inFlight(awake) === 0;
  const sent: Awake = {
    ...awake,
    next: awake.next + BigInt(to - from),
    buffer: to === segment.count ? awake.buffer.slice(1) : awake.buffer,
    signAt: idle ? now : awake.signAt,
    sent: addSent(awake.sent, { first: awake.next, last: awake.next + BigInt(to - from - 1), bytes }, maxInFlightBytes),
    starved: false,
  };
  const { awake: emitted, effects } = emit(sent, { kind: "batch", batch: segment, from, to }, now);
  const ahead = readAhead(emitted);
  return { awake: ahead.awake, effects: [...effects, ...ahead.effects] };
}

/** While the last segment of a chunk is sent the next chunk is read: with large segments, which are chunks of their own, no more than two are in memory. */
function readAhead(awake: Awake): FlowStep {
  // A live one has to say first that it fell behind.
  if (awake.reading || awake.mode === "live" || awake.buffer.length > 1) return { awake, effects: [] };
  const last = awake.buffer.at(-1);
  const afterOffset = last === undefined ? awake.next - 1n : lastOffsetOf(last);
  if (planRead(afterOffset + 1n, awake) !== "log") return { awake, effects: [] };
  return { awake: { ...awake, reading: true }, effects: [{ kind: "read-log", sessionId: awake.session.sessionId, afterOffset }] };
}

/** How far from `from` a batch may go: at least one event, else at most `maxBytes`. */
function fit(segment: EncodedBatch, from: number, to: number, maxBytes: number): number {
  let end = to;
  while (end > from + 1 && bytesOf(segment, from, end) > maxBytes) end -= 1;
  return end;
}

function bytesOf({ eventEnds }: EncodedBatch, from: number, to: number): number {
  return (eventEnds[to - 1] ?? 0) - (from === 0 ? 0 : (eventEnds[from - 1] ?? 0));
}
