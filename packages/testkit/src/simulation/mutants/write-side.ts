import { mutantsOf } from "./mutant.ts";

/** From the queue to the log: the receiver's write side, its batches, bisection, and when keys may go. */
export const writeSide = [
  ...mutantsOf("packages/receiver-core/dist/machine/receiver-machine.js", {
    "tag-of-closed-channel": {
      bug: "a batch is acked on the channel that is open now, not on its own",
      find: `if (batch.channel !== state.channel) return nextBatch({ ...state, work: idle }, before);
        const ack = { kind: "ack", channel: batch.channel, tag: batch.tag };`,
      replace: `const ack = { kind: "ack", channel: state.channel, tag: batch.tag };`,
    },
    "ack-before-commit": {
      bug: "a batch is acked when its append is sent",
      find: `effects: [...before, { kind: "append", epoch: state.epoch, head: state.head, events, quarantined }],`,
      replace: `effects: [...before, { kind: "ack", channel: batch.channel, tag: batch.tag }, { kind: "append", epoch: state.epoch, head: state.head, events, quarantined }],`,
    },
    "cut-inside-pack": {
      bug: "a batch ends inside a pack, and acks the whole message",
      find: `return { next: mergeMessages(channel, taken), queue: rest };`,
      replace: `const merged = mergeMessages(channel, taken);
    const { events, tag } = merged.batch;
    const next = { ...merged, batch: { ...merged.batch, events: events.slice(0, 2) } };
    const later = events.slice(2);
    const cut = { tag, bytes: 0, unpack: () => ({ events: later, rejected: [] }) };
    return { next, queue: later.length === 0 ? rest : { ...rest, front: { message: cut, next: rest.front } } };`,
    },
    "formed-outlives-channel": {
      bug: "a batch that was formed ahead is not forgotten with its channel",
      find: `queue: noMessages, next: undefined };`,
      replace: `queue: noMessages };`,
    },
    "formed-overtaken": {
      bug: "what was delivered later goes before the batch that was formed ahead",
      find: `if (next !== undefined)
        return begin(`,
      replace: `if (next !== undefined && state.queue.front === undefined)
        return begin(`,
    },
    "seen-before-commit": {
      bug: "an event is a repeat when it was delivered before, not when it is stored",
      find: `case "delivered": if (input.channel !== state.channel) return { state, effects: [] };`,
      replace: `case "delivered": if (input.channel !== state.channel) return { state, effects: [] };
        const seen = state.seen ?? new Set();
        const fresh = ({ events, rejected }) => ({ events: events.filter(({ id }) => !seen.has(id)), rejected });
        const ids = input.messages.flatMap((each) => each.unpack().events.map(({ id }) => id));
        input = { ...input, messages: input.messages.map((each) => ({ ...each, unpack: () => fresh(each.unpack()) })) };
        state = { ...state, seen: new Set([...seen, ...ids]) };`,
    },
    "two-appends": {
      bug: "a second append is sent while one is under way",
      find: `if (state.work.kind !== "idle") return { state, effects: before };`,
      replace: `if (state.work.kind !== "idle" && state.work.kind !== "appending") return { state, effects: before };`,
    },
    "unknown-by-head": {
      bug: "an unknown append is judged by the head: stored when it has moved, else failed, and left to come again",
      find: `return appendRest({ ...state, head: moved ? input.head : state.head, attempt: 0 }, batch, input.known, effects);`,
      replace: `return moved
        ? settle({ ...state, head: input.head, attempt: 0 }, batch, effects)
        : nextBatch({ ...state, work: idle, rest: [], attempt: 0 }, effects);`,
    },
    "unknown-is-stored": {
      bug: "an unknown append counts as stored",
      find: `case "append-unknown": return state.work.kind === "appending" ? resolve(state, state.work.batch) : { state, effects: [] };`,
      replace: `case "append-unknown": return state.work.kind === "appending" ? settle(state, state.work.batch, []) : { state, effects: [] };`,
    },
    "failed-is-done": {
      bug: "a failed append is not repeated",
      find: `? waitToRetry(state, { kind: "waiting", batch: state.work.batch, after: "append" })`,
      replace: `? settle(state, state.work.batch, [])`,
    },
    "parts-acked-alone": {
      bug: "the first half of a bisected batch acks the whole",
      find: `if (part !== undefined) return append({ ...state, rest }, part, before);`,
      replace: `if (part !== undefined) return append({ ...state, rest }, part, [{ kind: "ack", channel: batch.channel, tag: batch.tag }, ...before]);`,
    },
    "halves-swapped": {
      bug: "the second half of a bisected batch is stored first",
      find: `return append({ ...state, attempt: 0, rest: [halves[1], ...state.rest] }, halves[0], []);`,
      replace: `return append({ ...state, attempt: 0, rest: [halves[0], ...state.rest] }, halves[1], []);`,
    },
    "rest-forgotten": {
      bug: "a bisected batch ends with its first part",
      find: `const [part, ...rest] = state.rest;`,
      replace: `const [part, ...rest] = []; state = { ...state, rest: [] };`,
    },
    "head-not-published": {
      bug: "a head that moved without a segment is not told to the tail",
      find: `const effects = moved ? [{ kind: "advance", head: input.head }] : [];`,
      replace: `const effects = [];`,
    },
    "idle-never-fenced": {
      bug: "an idle writer that lost the log does not find out",
      find: `case "checked": if (input.epoch !== state.epoch) return fenced(state);`,
      replace: `case "checked": if (input.epoch !== state.epoch) return { state, effects: [] };`,
    },
    "fenced-keeps-sessions": {
      bug: "a writer that lost the log keeps its sessions",
      find: `effects: [{ kind: "close-queue" }, { kind: "give-up" }],`,
      replace: `effects: [{ kind: "close-queue" }],`,
    },
    "fenced-keeps-queue": {
      bug: "a writer that lost the log keeps its place at the queue",
      find: `effects: [{ kind: "close-queue" }, { kind: "give-up" }],`,
      replace: `effects: [{ kind: "give-up" }],`,
    },
    "loss-recorded-early": {
      bug: "the loss of a queue is recorded while an append is under way",
      find: `if (!state.missing || state.work.kind !== "idle")`,
      replace: `if (!state.missing)`,
    },
    "loss-not-recorded": {
      bug: "the loss of a queue is not recorded after an append",
      find: `if (state.queue.front === undefined) return recordMissed(state, before);`,
      replace: `if (state.queue.length === 0) return { state, effects: before };`,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/batch.js", {
    "conflict-is-repeat": {
      bug: "another event under a known id is dropped as a repeat",
      find: `if (there.sameContent) {`,
      replace: `if (there) {`,
    },
    "repeat-in-batch": {
      bug: "an event that stands twice in a batch is stored twice",
      find: `return earlier && {`,
      replace: `return earlier && sameContent(earlier.bytes, event.bytes) ? undefined : earlier && {`,
    },
    "known-cut-off": {
      bug: "all that follows a known event in a batch is dropped",
      find: `byIndex.get(index))`,
      replace: `byIndex.get(index) ?? (known.every((each) => each.index > index) ? undefined : { sameContent: true }))`,
    },
    "rejected-forgotten": {
      bug: "what is no event is not set aside",
      find: `for (const each of rejected) quarantined.push(each);`,
      replace: ``,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/pending-messages.js", {
    "arrived-reversed": {
      bug: "what arrived while a batch was under way is stored newest first",
      find: `return { front, back: undefined, bytes: pending.bytes };`,
      replace: `return { front: pending.back, back: undefined, bytes: pending.bytes };`,
    },
    "arrived-forgotten": {
      bug: "what arrived while messages waited is forgotten with the batch they went into, and acked with a later one",
      find: `rest = turned({ front: next, back: rest.back, bytes: rest.bytes - message.bytes });`,
      replace: `rest = turned({ front: next, back: undefined, bytes: rest.bytes - message.bytes });`,
    },
  }),
  ...mutantsOf("packages/event-store/dist/bisect.js", {
    "middle-lost": {
      bug: "bisection loses an event between the halves",
      find: `{ ...batch, events: events.slice(e), quarantined: quarantined.slice(q) },`,
      replace: `{ ...batch, events: events.slice(e + 1), quarantined: quarantined.slice(q) },`,
    },
    "refused-dropped": {
      bug: "what the database refuses is dropped",
      find: `return { ...batch, events: [], quarantined: [{ reason: "refused", detail, bytes, source, id, type }] };`,
      replace: `return { ...batch, events: [], quarantined: [] };`,
    },
    "good-set-aside": {
      bug: "two events are set aside for one that is refused",
      find: `if (events.length + quarantined.length < 2) return undefined;`,
      replace: `if (events.length + quarantined.length < 3) return undefined;`,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/channel-watch.js", {
    "keys-go-at-once": {
      bug: "keys may go as soon as their message is acked",
      find: `return ackedTag < watch.tag ? watch : { ...watch, safeTo: watch.head, head: ackedHead };`,
      replace: `return ackedTag < watch.tag ? watch : { ...watch, safeTo: ackedHead, head: ackedHead };`,
    },
    "keys-outlive-nothing": {
      bug: "keys may go before what comes again is acked",
      find: `return ackedTag < watch.tag ? watch : { ...watch, safeTo: watch.head, head: ackedHead };`,
      replace: `return { ...watch, safeTo: watch.head, head: ackedHead };`,
    },
  }),
  ...mutantsOf("packages/receiver-core/dist/machine/retention.js", {
    "held-pruned": {
      bug: "retention prunes what a consumer holds",
      find: `if (goneTo === wantedTo && lastOffset <= free) {`,
      replace: `if (goneTo === wantedTo) {`,
    },
    "furthest-ahead-holds": {
      bug: "retention goes as far as the fastest consumer",
      find: `return rest.reduce((low, mark) => (mark < low ? mark : low), first);`,
      replace: `return rest.reduce((low, mark) => (mark > low ? mark : low), first);`,
    },
    "hole-pruned": {
      bug: "retention goes on after a segment that is held",
      find: `if (goneTo === wantedTo && lastOffset <= free) {`,
      replace: `if (lastOffset <= free || lastOffset > free + 3n) {`,
    },
  }),
];
