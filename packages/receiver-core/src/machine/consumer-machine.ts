import { covers, lastOffsetOf, Limits, raiseMark, settle, Times, WarrenError, type EncodedBatch, type OffsetRange } from "@warren/protocol";
import type { LogGap } from "@warren/event-store";
import type { StopReason } from "../subscription.ts";
import {
  inFlight,
  type Awake,
  type Claiming,
  type ConsumerEffect,
  type ConsumerInput,
  type ConsumerState,
  type ConsumerStep,
  type Grant,
  type Outcome,
  type SessionSpec,
} from "./consumer-state.ts";
import { emit, flow, tellGap, type FlowStep } from "./flow.ts";
import { happenedElsewhere } from "./kept-name.ts";
import { forgetSettled, nothingSent } from "./sent-bytes.ts";
import { noSides, sidesLoaded, sidesSettled } from "./sides.ts";

/*
 * The life of a consumer name. Pure: state, input and monotonic time in; state and effects out.
 * docs/spec/consumer-lifecycle.md is this table in words, with the invariants I1 to I11 and their tests.
 *
 *   asleep --open--> claiming --claimed--> catching-up <--fell behind / caught up--> live
 *      ^                                        |                                     |
 *      +------- stop, silent, taken over, fenced, shut ------------------------------+
 *
 * A name that is awake may be claimed by another session (take over): the old one goes on until the claim is granted.
 */

/** One step. Inputs that name a session which is not (or no longer) the one meant change nothing. */
export function stepConsumer(state: ConsumerState, input: ConsumerInput, now: number): ConsumerStep {
  switch (input.kind) {
    case "open":
      return open(state, input.session, now);
    case "claimed":
      return claimed(state, input.sessionId, input.grant, now);
    case "claim-failed":
      return claimFailed(state, input.sessionId, input.error, now);
    case "claim-due":
      return state.claiming === undefined ? contend({ state, effects: [] }, now, []) : { state, effects: [] };
    case "stop":
      return stop(state, input.sessionId, input.reason);
    case "shut":
      return shut(state, input.error);
    case "moved":
      return moved(state, input);
    case "fenced":
      if (state.awake?.token !== input.token) return { state, effects: [] };
      return nextInLine(sleep(state, state.awake, "taken-over", takenOver()));
    case "looked-up": {
      const happened = happenedElsewhere(state, input);
      return happened === undefined ? { state, effects: [] } : stepConsumer(state, happened, now);
    }
    case "tick":
      return tick(state, now);
    default:
      return stepAwake(state, input, now);
  }
}

type AwakeInput = Exclude<
  ConsumerInput,
  { kind: "open" | "claimed" | "claim-failed" | "claim-due" | "stop" | "shut" | "moved" | "fenced" | "looked-up" | "tick" }
>;

function stepAwake(state: ConsumerState, input: AwakeInput, now: number): ConsumerStep {
  const { awake } = state;
  if (awake === undefined || ("sessionId" in input && input.sessionId !== awake.session.sessionId)) return { state, effects: [] };
  switch (input.kind) {
    case "pull": {
      const auto = awake.session.ackMode === "auto" ? settleUpTo(awake, awake.next - 1n, [], now) : { awake, effects: [] };
      return merge(state, auto, flow({ ...auto.awake, pulling: true }, now));
    }
    case "stored":
      return merge(state, stored({ ...awake, head: input.head, tailFirst: input.tailFirst }, input.newest, now));
    case "segments":
      return merge(state, flow({ ...awake, reading: false, readAttempt: 0, buffer: [...awake.buffer, ...input.segments] }, now));
    case "pruned": {
      // Read ahead: it is met, and told, when what is held has been sent and the stream asks for more.
      if (!awake.pulling || awake.buffer.length > 0) return merge(state, { awake: { ...awake, reading: false }, effects: [] });
      const { firstOffset } = input.gap;
      // As with events: what another broker stored, and pruned, may follow a place that was not heard of here.
      const lastOffset = input.gap.lastOffset < awake.head ? input.gap.lastOffset : awake.head;
      const [missed, ...gaps] = awake.gaps;
      // W9: a place in the range is told first, then the range is met again; once it is acked, no later session is told of that place.
      if (missed !== undefined && missed.afterOffset < lastOffset) {
        return merge(state, tellGap({ ...awake, reading: false, gaps }, missed, now));
      }
      const first = firstOffset > awake.next ? firstOffset : awake.next;
      const past = { ...awake, reading: false, next: lastOffset + 1n, skipped: [...awake.skipped, { first, last: lastOffset }] };
      return merge(state, tellGap(past, { ...input.gap, firstOffset: first, lastOffset }, now));
    }
    case "read-failed": {
      if (input.error.code !== "STORE_UNAVAILABLE") return nextInLine(sleep(state, awake, "failed", input.error));
      // W11: the database is away; the read is asked again.
      const readAttempt = awake.readAttempt + 1;
      const effects: ConsumerEffect[] = [{ kind: "retry-read", sessionId: input.sessionId, attempt: readAttempt }];
      return merge(state, { awake: { ...awake, readAttempt }, effects });
    }
    case "read-retry":
      return merge(state, flow({ ...awake, reading: false }, now));
    case "gap-recorded":
      return merge(state, flow({ ...awake, gaps: [...awake.gaps, input.gap] }, now));
    case "ack":
      return ack(state, awake, input, now);
    case "parked": {
      const range = { first: input.offset, last: input.offset };
      const parked = save({ ...awake, outcomes: outcomes(awake, "parked", 1), signAt: now }, settle(awake.settled, range));
      return breaker(merge(state, parked, flow(parked.awake, now)));
    }
    case "sides":
      return merge(state, flow(sidesLoaded(awake, input.events, input.more), now));
    case "retry-asked":
      return merge(state, flow({ ...awake, sides: { ...awake.sides, more: true } }, now));
    case "sides-settled": {
      const told = emit(
        { ...awake, sides: sidesSettled(awake.sides, input.deliveryIds) },
        { kind: "acked", settled: awake.saved, deliveryIds: input.deliveryIds },
        now,
      );
      return merge(state, told, flow(told.awake, now));
    }
    case "paused":
      return merge(state, emit({ ...awake, paused: input.reason, outcomes: [] }, { kind: "paused", reason: input.reason }, now));
    case "resumed": {
      if (awake.paused === undefined) return { state, effects: [] };
      const told = emit({ ...awake, paused: undefined }, { kind: "resumed" }, now);
      return merge(state, told, flow(told.awake, now));
    }
    case "ping":
      return merge(state, { awake: { ...awake, signAt: now }, effects: [] });
    case "saved":
      if (input.token !== awake.token || awake.session.ackMode === "auto") return { state, effects: [] };
      return merge(state, emit({ ...awake, saved: input.settled }, { kind: "acked", settled: input.settled, deliveryIds: [] }, now));
  }
}

/** Who waits for the newest segment has it at once. What cannot be sent now is not kept: the tail has it. */
function stored(awake: Awake, newest: EncodedBatch | undefined, now: number): FlowStep {
  const waits = awake.pulling && !awake.reading && awake.buffer.length === 0;
  if (newest === undefined || !waits || newest.firstOffset > awake.next || lastOffsetOf(newest) < awake.next) return flow(awake, now);
  const step = flow({ ...awake, buffer: [newest] }, now);
  return step.awake.pulling ? { ...step, awake: { ...step.awake, buffer: [] } } : step;
}

function ack(state: ConsumerState, awake: Awake, input: Extract<ConsumerInput, { kind: "ack" }>, now: number): ConsumerStep {
  const offsets = settleUpTo(awake, input.upTo, input.ranges, now);
  const deliveryIds = input.deliveryIds.filter((id) => awake.sides.outstanding.includes(id));
  const { sessionId } = input;
  const sides: ConsumerEffect[] = deliveryIds.length === 0 ? [] : [{ kind: "settle-sides", sessionId, token: awake.token, deliveryIds }];
  return merge(state, offsets, { awake: offsets.awake, effects: sides }, flow(offsets.awake, now));
}

/** W7: what is settled only grows, and never passes what was sent. */
function settleUpTo(awake: Awake, upTo: bigint, ranges: readonly OffsetRange[], now: number): FlowStep {
  const alive = { ...awake, signAt: now };
  const highest = ranges.reduce((high, { last }) => (last > high ? last : high), upTo);
  if (highest >= awake.next) return { awake: alive, effects: [] };
  const met = awake.skipped.filter(({ last }) => last < highest);
  const settled = [...met, ...ranges].reduce(settle, raiseMark(awake.settled, upTo));
  if (covers(awake.settled, settled)) return { awake: alive, effects: [] };
  const before = inFlight(awake);
  const step = save({ ...alive, skipped: awake.skipped.filter(({ last }) => last >= highest && last > settled.mark) }, settled);
  return { ...step, awake: { ...step.awake, outcomes: outcomes(awake, "acked", before - inFlight(step.awake)) } };
}

function save(awake: Awake, settled: Awake["settled"]): FlowStep {
  return {
    awake: { ...awake, settled, sent: forgetSettled(awake.sent, settled) },
    effects: [{ kind: "save", token: awake.token, settled }],
  };
}

function outcomes(awake: Awake, outcome: Outcome, count: number): readonly Outcome[] {
  if (count <= 0) return awake.outcomes;
  const added = Array.from({ length: Math.min(count, Limits.breakerWindow) }, () => outcome);
  return [...awake.outcomes, ...added].slice(-Limits.breakerWindow);
}

/** A handler that fails for nearly everything is broken itself: parking the rest of the log would help nobody. */
function breaker({ state, effects }: ConsumerStep): ConsumerStep {
  const { awake } = state;
  if (awake === undefined || awake.paused !== undefined) return { state, effects };
  const parked = awake.outcomes.filter((outcome) => outcome === "parked").length;
  if (awake.outcomes.length < Limits.breakerWindow || parked * 2 < Limits.breakerWindow) return { state, effects };
  const reason = `${parked} of the last ${Limits.breakerWindow} events were parked; mend the handler, then resume the consumer`;
  return { state, effects: [...effects, { kind: "pause", reason }] };
}

function open(state: ConsumerState, session: SessionSpec, now: number): ConsumerStep {
  if (state.claiming !== undefined) return { state: { ...state, waiting: [...state.waiting, session] }, effects: [] };
  if (state.awake === undefined) return claim(state, session, []);
  return contend({ state: { ...state, waiting: [...state.waiting, session] }, effects: [] }, now, [session]);
}

/** W6: whether `session` may end `holder`: it asked to, or it is the same program come back. */
export function wins(session: Pick<SessionSpec, "onConflict" | "instanceId">, holder: Pick<SessionSpec, "instanceId">): boolean {
  return session.onConflict === "take-over" || (session.instanceId !== "" && session.instanceId === holder.instanceId);
}

function claim(state: ConsumerState, session: SessionSpec, before: readonly ConsumerEffect[]): ConsumerStep {
  const claiming: Claiming = { session, left: false };
  return { state: { ...state, claiming }, effects: [...before, { kind: "claim", session }] };
}

function claimed(state: ConsumerState, sessionId: string, grant: Grant, now: number): ConsumerStep {
  if (state.claiming?.session.sessionId !== sessionId) return { state, effects: [] };
  const { session, left } = state.claiming;
  // The token is taken, so whoever held the name is fenced, even when the one who asked for it left meanwhile.
  const ended =
    state.awake === undefined ? { state, effects: [] } : sleep(state, state.awake, "taken-over", left ? openAgain() : takenOver());
  const free: ConsumerState = { ...ended.state, claiming: undefined, settled: grant.settled };
  if (left) return nextInLine({ state: free, effects: ended.effects });
  const { token, settled, resumed, receiverKey, logId, head, tailFirst, gaps, moves, migratedFrom } = grant;
  const awake: Awake = {
    session,
    token,
    moves,
    mode: "catching-up",
    next: settled.mark + 1n,
    settled,
    saved: settled,
    head,
    tailFirst,
    gaps,
    skipped: [],
    failedAt: undefined,
    sides: noSides(grant.retrying),
    sent: nothingSent,
    starved: false,
    paused: grant.paused,
    outcomes: [],
    pulling: false,
    reading: false,
    buffer: [],
    readAttempt: 0,
    signAt: now,
    frameAt: now,
  };
  const opened = emit(
    awake,
    { kind: "opened", sessionId, sessionToken: token, receiverKey, settled, headOffset: head, logId, resumed, moves, migratedFrom },
    now,
  );
  const paused = grant.paused === undefined ? undefined : emit(opened.awake, { kind: "paused", reason: grant.paused }, now);
  const effects: ConsumerEffect[] = [...ended.effects, { kind: "woke", sessionId }, ...opened.effects, ...(paused?.effects ?? [])];
  return contend({ state: { ...free, awake: opened.awake }, effects }, now, free.waiting);
}

function claimFailed(state: ConsumerState, sessionId: string, error: WarrenError, now: number): ConsumerStep {
  if (state.claiming?.session.sessionId !== sessionId) return { state, effects: [] };
  const effects: ConsumerEffect[] = state.claiming.left ? [] : [{ kind: "end", sessionId, error }];
  const free = { ...state, claiming: undefined };
  return contend({ state: free, effects }, now, free.waiting);
}

/**
 * While the name has a session: of those that wait and may take over the last one does, at most every `Times.takeOverMs`, so that programs that fight for
 * a name cannot wear out the database. Of those in `tell`, who rejects is told that the name is taken, and who stands by that it waits.
 */
function contend({ state, effects }: ConsumerStep, now: number, tell: readonly SessionSpec[]): ConsumerStep {
  const holder = state.awake?.session;
  if (holder === undefined) return nextInLine({ state, effects });
  const out: ConsumerEffect[] = [...effects];
  const waiting: SessionSpec[] = [];
  let winner: SessionSpec | undefined;
  for (const session of state.waiting) {
    if (wins(session, holder)) {
      if (winner !== undefined) out.push({ kind: "end", sessionId: winner.sessionId, error: takenOver() });
      winner = session;
    } else if (session.onConflict === "reject") {
      out.push(busy(session));
    } else {
      waiting.push(session);
      if (tell.includes(session)) out.push({ kind: "stand-by", sessionId: session.sessionId });
    }
  }
  const standbyToldAt = tell.length >= waiting.length ? now : state.standbyToldAt;
  const rest: ConsumerState = { ...state, waiting, standbyToldAt };
  if (winner === undefined) return { state: rest, effects: out };
  const afterMs = (state.tookOverAt ?? Number.NEGATIVE_INFINITY) + Times.takeOverMs - now;
  if (afterMs <= 0) return claim({ ...rest, tookOverAt: now }, winner, out);
  // First in line also when the holder leaves before it is due.
  return { state: { ...rest, waiting: [winner, ...waiting] }, effects: [...out, { kind: "claim-later", afterMs }] };
}

/** The name is free: the first that waits claims it. */
function nextInLine({ state, effects }: ConsumerStep): ConsumerStep {
  const [first, ...waiting] = state.waiting;
  if (first === undefined || state.claiming !== undefined || state.awake !== undefined) return { state, effects };
  return claim({ ...state, waiting }, first, effects);
}

function sleep(state: ConsumerState, awake: Awake, reason: StopReason, error: WarrenError | undefined): ConsumerStep {
  const { sessionId } = awake.session;
  return {
    state: { ...state, awake: undefined, settled: awake.settled },
    effects: [
      { kind: "end", sessionId, error },
      { kind: "slept", sessionId, reason },
    ],
  };
}

function stop(state: ConsumerState, sessionId: string, reason: StopReason): ConsumerStep {
  if (state.awake?.session.sessionId === sessionId) return nextInLine(sleep(state, state.awake, reason, undefined));
  if (state.claiming?.session.sessionId === sessionId) {
    return { state: { ...state, claiming: { ...state.claiming, left: true } }, effects: [{ kind: "end", sessionId, error: undefined }] };
  }
  const waiting = state.waiting.filter((session) => session.sessionId !== sessionId);
  if (waiting.length === state.waiting.length) return { state, effects: [] };
  return { state: { ...state, waiting }, effects: [{ kind: "end", sessionId, error: undefined }] };
}

const stopReasons: ReadonlyMap<string, StopReason> = new Map([
  ["DRAINING", "draining"],
  ["CONSUMER_MOVED", "moved"],
  ["CONSUMER_DELETED", "moved"],
]);

function shut(state: ConsumerState, error: WarrenError): ConsumerStep {
  const effects: ConsumerEffect[] = state.waiting.map(({ sessionId }) => ({ kind: "end", sessionId, error }));
  let next: ConsumerState = { ...state, waiting: [] };
  if (next.claiming !== undefined && !next.claiming.left) {
    effects.push({ kind: "end", sessionId: next.claiming.session.sessionId, error });
    next = { ...next, claiming: { ...next.claiming, left: true } };
  }
  if (next.awake === undefined) return { state: next, effects };
  const slept = sleep(next, next.awake, stopReasons.get(error.code) ?? "fenced", error);
  return { state: slept.state, effects: [...effects, ...slept.effects] };
}

/** The place of the name is another one now: whoever has it or asked for it before does so again. */
function moved(state: ConsumerState, { settled, error }: Extract<ConsumerInput, { kind: "moved" }>): ConsumerStep {
  const ended = shut(state, error);
  return { state: { ...ended.state, settled }, effects: ended.effects };
}

/** Silence is un-acked events without a sign of life, or a stream that takes no frame; a quiet topic is neither. */
function tick(state: ConsumerState, now: number): ConsumerStep {
  const { awake } = state;
  if (awake === undefined) return { state, effects: [] };
  const unsettled = inFlight(awake) > 0 || awake.sides.outstanding.length > 0;
  const stuck = !awake.pulling || (awake.session.ackMode === "explicit" && unsettled);
  if (stuck && now - Math.max(awake.signAt, awake.pulling ? awake.signAt : awake.frameAt) >= awake.session.sessionTimeoutMs) {
    const message = `no sign of life for ${awake.session.sessionTimeoutMs} ms with un-acked events; ack, send ping while a handler works, or ask for a longer session_timeout`;
    return nextInLine(sleep(state, awake, "silent", new WarrenError("SESSION_SILENT", message)));
  }
  const told = tellStandby(state, now);
  if (!awake.pulling || now - awake.frameAt < Times.heartbeatMs) return told;
  const { maxInFlight, maxInFlightBytes } = awake.session;
  const waitingForAck = awake.starved || inFlight(awake) >= maxInFlight || awake.sent.total >= maxInFlightBytes;
  const heartbeat = { kind: "heartbeat", headOffset: awake.head, sentOffset: awake.next - 1n, waitingForAck } as const;
  return merge(told.state, { awake, effects: told.effects }, emit(awake, heartbeat, now));
}

/** Who waits for the name hears so from time to time: the broker lives. */
function tellStandby(state: ConsumerState, now: number): ConsumerStep {
  if (state.waiting.length === 0 || now - state.standbyToldAt < Times.heartbeatMs) return { state, effects: [] };
  const effects = state.waiting.map(({ sessionId }): ConsumerEffect => ({ kind: "stand-by", sessionId }));
  return { state: { ...state, standbyToldAt: now }, effects };
}

function merge(state: ConsumerState, ...steps: readonly FlowStep[]): ConsumerStep {
  const awake = steps.at(-1)?.awake;
  const merged = { state: { ...state, awake }, effects: steps.flatMap((step) => step.effects) };
  if (awake?.failedAt === undefined) return merged;
  const ended = nextInLine(sleep(merged.state, awake, "gap", gapMet(awake.failedAt)));
  return { state: ended.state, effects: [...merged.effects, ...ended.effects] };
}

function gapMet(gap: LogGap): WarrenError {
  const what =
    gap.kind === "pruned"
      ? `offsets ${gap.firstOffset} to ${gap.lastOffset} were removed (${gap.reason})`
      : `events may be missing after offset ${gap.afterOffset} (${gap.reason})`;
  return new WarrenError("GAP_MET", `${what}; nothing after them was sent: open with on_gap JUMP to go on there`);
}

function takenOver(): WarrenError {
  return new WarrenError("TAKEN_OVER", "a newer session has this consumer name; do not reconnect, or use another name");
}

function openAgain(): WarrenError {
  return new WarrenError("FENCED", "another session claimed this consumer name and left; open again");
}

function busy(session: SessionSpec): ConsumerEffect {
  const error = new WarrenError("CONSUMER_BUSY", "the consumer name has a session; wait with STANDBY, use TAKE_OVER, or use another name");
  return { kind: "end", sessionId: session.sessionId, error };
}
