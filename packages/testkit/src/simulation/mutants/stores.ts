import { mutantsOf } from "./mutant.ts";

/** Saved offsets, and the archive's write side. */
export const stores = [
  ...mutantsOf("packages/state-store/dist/machine/offset-coalescer.js", {
    "told-before-saved": {
      bug: "an ack is told to be saved before it is",
      find: `if (state.saving.length > 0 || state.dueAt !== undefined) return { state: grown, effects: [] };`,
      replace: `if (state.saving.length > 0 || state.dueAt !== undefined)
        return { state: grown, effects: [{ kind: "told", result: { kind: "saved", name: next.name, ackedOffset: next.ackedOffset, ranges: next.ranges }, sessionToken: next.sessionToken }] };`,
    },
    "failed-save-told": {
      bug: "a save that failed is told to be done",
      find: `effects: [{ kind: "wake", afterMs: input.retryMs }],`,
      replace: `effects: [{ kind: "wake", afterMs: input.retryMs }, ...state.saving.map(({ name, ackedOffset, ranges, sessionToken }) => ({ kind: "told", result: { kind: "saved", name, ackedOffset, ranges }, sessionToken }))],`,
    },
    "failed-save-forgotten": {
      bug: "a save that failed is not done again",
      find: `const unsaved = new Map(state.saving.map((each) => [each.name, each]));`,
      replace: `const unsaved = new Map();`,
    },
    "flushed-too-early": {
      bug: "a flush does not wait for the save that is under way",
      find: `if (state.unsaved.size === 0 && state.saving.length === 0) return { state, effects: [{ kind: "flushed", ticket }] };`,
      replace: `if (state.unsaved.size === 0) return { state, effects: [{ kind: "flushed", ticket }] };`,
    },
    "flush-never-ends": {
      bug: "a flush during a save is never told to be done",
      find: `const done = state.flushes.filter((each) => each.save <= state.started);`,
      replace: `const done = state.flushes.filter((each) => each.save < state.started);`,
    },
    "saves-overlap": {
      bug: "a save begins while one is under way",
      find: `if (state.saving.length > 0 || state.unsaved.size === 0) return { state, effects: [] };`,
      replace: `if (state.unsaved.size === 0) return { state, effects: [] };`,
    },
    "saves-wait-for-ever": {
      bug: "what is acked during a save is not saved after it",
      find: `return { state: { ...rest, dueAt: now + delayMs }, effects: [...effects, { kind: "wake", afterMs: delayMs }] };`,
      replace: `return { state: { ...rest, dueAt: now + delayMs }, effects };`,
    },
  }),
  ...mutantsOf("apps/archiver/dist/machine/writer-machine.js", {
    "archive-tag-of-closed-channel": {
      bug: "the archiver acks on the channel that is open now",
      find: `const acks = work.channel === state.channel ? [{ kind: "ack", channel: work.channel, tag: work.tag }] : [];`,
      replace: `const acks = [{ kind: "ack", channel: state.channel, tag: work.tag }];`,
    },
    "archive-failed-is-done": {
      bug: "the archiver does not repeat an append that failed",
      find: `case "failed": return later(state);`,
      replace: `case "failed": return next({ ...state, work: undefined }, [], size);`,
    },
    "archive-parts-acked-alone": {
      bug: "the archiver acks a bisected batch after its first part",
      find: `if (part !== undefined) return append({ ...state, rest }, part);`,
      replace: ``,
    },
    "archive-good-half-lost": {
      bug: "the archiver forgets one half of what was refused",
      find: `return append({ ...state, rest: [halves[1], ...state.rest] }, halves[0]);`,
      replace: `return append(state, halves[0]);`,
    },
    "archive-retry-forgotten": {
      bug: "the archiver never repeats an append",
      find: `return { state, effects: state.work === undefined ? [] : [{ kind: "append", batch: state.work }] };`,
      replace: `return { state, effects: [] };`,
    },
  }),
];
