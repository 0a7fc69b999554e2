import { mutantsOf } from "./mutant.ts";

/** From the log to a session: what is sent next, and where it is read. */
export const delivery = [
  ...mutantsOf("packages/receiver-core/dist/machine/flow.js", {
    "overlap-sent-again": {
      bug: "a segment is sent from its beginning, also what was sent before",
      find: `const from = Number(awake.next - segment.firstOffset);`,
      replace: `const from = 0;`,
    },
    "frame-from-the-start": {
      bug: "a frame repeats what of its segment was sent before",
      find: `emit(sent, { kind: "batch", batch: segment, from, to }, now);`,
      replace: `emit(sent, { kind: "batch", batch: segment, from: 0, to }, now);`,
    },
    "settled-sent-again": {
      bug: "a frame goes on into what is settled",
      find: `const settledFrom = rangeFrom(awake.settled.ranges, awake.next)?.first;`,
      replace: `const settledFrom = undefined;`,
    },
    "loss-told-too-late": {
      bug: "that events may be missing is told after the event that follows",
      find: `if (gap !== undefined && gap.afterOffset < awake.next) {`,
      replace: `if (gap !== undefined && gap.afterOffset + 1n < awake.next) {`,
    },
    "sent-past-the-head": {
      bug: "what another broker stored is sent, past the head that is known here",
      find: `awake.next <= awake.head) {
        const settledFrom = rangeFrom(awake.settled.ranges, awake.next)?.first;
        const until = least(gap?.afterOffset, settledFrom === undefined || settledFrom > awake.head ? awake.head : settledFrom - 1n);`,
      replace: `true) {
        const settledFrom = rangeFrom(awake.settled.ranges, awake.next)?.first;
        const until = least(gap?.afterOffset, settledFrom === undefined ? lastOffsetOf(segment) : settledFrom - 1n);`,
    },
    "window-ignored": {
      bug: "more is sent than may be in flight",
      find: `const room = awake.session.maxInFlight - inFlight(awake);`,
      replace: `const room = 1000;`,
    },
    "bytes-ignored": {
      bug: "more bytes are sent than may be in flight",
      find: `const roomBytes = maxInFlightBytes - awake.sent.total;`,
      replace: `const roomBytes = maxInFlightBytes;`,
    },
    "frames-unasked": {
      bug: "a frame is made before the stream has taken the one before",
      find: `awake: { ...awake, pulling: false, frameAt: now },`,
      replace: `awake: { ...awake, frameAt: now },`,
    },
    "window-overflow-skips": {
      bug: "what does not fit into the window is skipped",
      find: `next: awake.next + BigInt(to - from),`,
      replace: `next: awake.next + BigInt(limit - from),`,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/sent-bytes.js", {
    "bytes-never-given-back": {
      bug: "bytes in flight stay so when their events are settled",
      find: `if (lump.last <= mark) continue;`,
      replace: ``,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/sides.js", {
    "side-sent-again": {
      bug: "a side delivery that was sent is sent again",
      find: `return { ...sides, waiting: sides.waiting.slice(1), outstanding:`,
      replace: `return { ...sides, waiting: sides.waiting, outstanding:`,
    },
    "side-read-never-ends": {
      bug: "after a chunk of side deliveries no other is read",
      find: `waiting: [...awake.sides.waiting, ...fresh], loading: false, more, lastLoaded } };`,
      replace: `waiting: [...awake.sides.waiting, ...fresh], more, lastLoaded } };`,
    },
  }),
  ...mutantsOf("packages/replay/dist/machine/plan-read.js", {
    "empty-tail-is-caught-up": {
      bug: "what the tail does not hold is taken for not there",
      find: `return next >= view.tailFirst ? "tail" : "log";`,
      replace: `return next >= view.tailFirst ? "tail" : "wait";`,
    },
    "head-not-reached": {
      bug: "the newest event waits for the next one",
      find: `if (next > view.head) return "wait";`,
      replace: `if (next >= view.head) return "wait";`,
    },
    "log-read-past-head": {
      bug: "the log is read past the head",
      find: `if (next > view.head) return "wait";`,
      replace: `if (next > view.head + 1n) return "wait";`,
    },
  }),
  ...mutantsOf("packages/replay/dist/tail.js", {
    "tail-with-a-hole": {
      bug: "a tail keeps its segments when the head moves without one",
      find: `if (head <= this.#head) return; this.clear();`,
      replace: `if (head <= this.#head) return;`,
    },
    "tail-shortened-unsaid": {
      bug: "a tail that others shorten does not tell its receiver",
      find: `if (!this.#pushing) this.#shortened();`,
      replace: ``,
    },
    "tail-begins-too-low": {
      bug: "an empty tail says that it holds the head",
      find: `return this.#segments[this.#start]?.firstOffset ?? this.#head + 1n;`,
      replace: `return this.#segments[this.#start]?.firstOffset ?? this.#head;`,
    },
    "small-counted-when-gone": {
      bug: "segments that another one drives out are packed with it",
      find: `this.#small = Math.min(this.#small, this.#segments.length - end);`,
      replace: ``,
    },
  }),
  ...mutantsOf("packages/replay/dist/packed-segments.js", {
    "packed-from-the-beginning": {
      bug: "a packed segment has the bytes of those before it",
      find: `const from = before === 0 ? 0 : at(this.#eventEnds, before - 1);`,
      replace: `const from = 0;`,
    },
  }),
];
