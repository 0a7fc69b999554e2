import { mutantsOf } from "./mutant.ts";

/** The life of a consumer name: sessions, take-over, acks, waiting. */
export const consumer = mutantsOf("packages/receiver-core/dist/machine/consumer-machine.js", {
  "old-session-goes-on": {
    bug: "who is taken over on the same broker is not told",
    find: `const ended = state.awake === undefined ? { state, effects: [] }`,
    replace: `const ended = true ? { state, effects: [] }`,
  },
  "fenced-session-goes-on": {
    bug: "who is taken over on another broker goes on",
    find: `if (state.awake?.token !== input.token) return { state, effects: [] };`,
    replace: `return { state, effects: [] };`,
  },
  "granted-to-who-left": {
    bug: "a claim is granted to a session that left while it was asked",
    find: `if (left) return nextInLine({ state: free, effects: ended.effects });`,
    replace: ``,
  },
  "stale-session-heard": {
    bug: "what a replaced session asks or hears counts for the new one",
    find: `("sessionId" in input && input.sessionId !== awake.session.sessionId)`,
    replace: `false`,
  },
  "settled-forgotten-at-open": {
    bug: "a session starts at the mark without the ranges settled above it",
    find: `next: settled.mark + 1n, settled, saved: settled,`,
    replace: `next: settled.mark + 1n, settled: { mark: settled.mark, ranges: [] }, saved: settled,`,
  },
  "ack-to-the-highest": {
    bug: "an ack of a range settles all below it",
    find: `const settled = [...met, ...ranges].reduce(settle, raiseMark(awake.settled, upTo));`,
    replace: `const settled = raiseMark(awake.settled, highest);`,
  },
  "sent-is-settled": {
    bug: "what was sent counts as settled when the next frame is asked for",
    find: `const auto = awake.session.ackMode === "auto" ?`,
    replace: `const auto = true ?`,
  },
  "silence-allowed": {
    bug: "a session that is silent for ever keeps the name",
    find: `if (stuck && now - Math.max(`,
    replace: `if (false && stuck && now - Math.max(`,
  },
  "pruned-not-told": {
    bug: "what was pruned is skipped without a word",
    find: `return merge(state, tellGap(past, { ...input.gap, firstOffset: first, lastOffset }, now));`,
    replace: `return merge(state, flow(past, now));`,
  },
  "lost-not-told": {
    bug: "a loss that is recorded while a session is open is not told",
    find: `return merge(state, flow({ ...awake, gaps: [...awake.gaps, input.gap] }, now));`,
    replace: `return { state, effects: [] };`,
  },
  "earlier-losses-not-told": {
    bug: "a session is not told of losses recorded before it",
    find: `tailFirst, gaps, skipped: [],`,
    replace: `tailFirst, gaps: [], skipped: [],`,
  },
  "standby-never-called": {
    bug: "when a session ends, the one that stands by is not called",
    find: `return nextInLine(sleep(state, state.awake, reason, undefined));`,
    replace: `return sleep(state, state.awake, reason, undefined);`,
  },
  "read-not-repeated": {
    bug: "a read that failed is not asked again",
    find: `const effects = [{ kind: "retry-read", sessionId: input.sessionId, attempt: readAttempt }];`,
    replace: `const effects = [];`,
  },
  "no-rows-is-caught-up": {
    bug: "a read that gave no rows is taken for the end of the log",
    find: `return merge(state, { awake: { ...awake, readAttempt }, effects });`,
    replace: `return merge(state, emit({ ...awake, reading: false, next: awake.head + 1n, mode: "live" }, { kind: "caught-up", offset: awake.head }, now));`,
  },
  "stored-lost-while-reading": {
    bug: "a new head is not noticed while a read is under way",
    find: `return merge(state, stored({ ...awake, head: input.head, tailFirst: input.tailFirst }, input.newest, now));`,
    replace: `return awake.reading ? { state, effects: [] } : merge(state, stored({ ...awake, head: input.head, tailFirst: input.tailFirst }, input.newest, now));`,
  },
  "retry-not-noticed": {
    bug: "parked events that an operator has retried are not looked for",
    find: `return merge(state, flow({ ...awake, sides: { ...awake.sides, more: true } }, now));`,
    replace: `return { state, effects: [] };`,
  },
  "side-settled-when-sent": {
    bug: "side deliveries count as settled before that is saved",
    find: `const sides = deliveryIds.length === 0 ? [] : [{ kind: "settle-sides",`,
    replace: `if (deliveryIds.length > 0) return merge(state, offsets, emit({ ...offsets.awake, sides: sidesSettled(awake.sides, deliveryIds) }, { kind: "acked", settled: awake.saved, deliveryIds }, now));
    const sides = deliveryIds.length === 0 ? [] : [{ kind: "settle-sides",`,
  },
  "unsaved-told-as-saved": {
    bug: "an ack is told to be saved when it is asked for",
    find: `return merge(state, offsets, { awake: offsets.awake, effects: sides }, flow(offsets.awake, now));`,
    replace: `return merge(state, offsets, emit(offsets.awake, { kind: "acked", settled: offsets.awake.settled, deliveryIds: [] }, now), { awake: offsets.awake, effects: sides }, flow(offsets.awake, now));`,
  },
});
