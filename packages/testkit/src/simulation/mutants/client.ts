import { mutantsOf } from "./mutant.ts";

/** The SDK: a subscriber's session, its side deliveries, and a publisher's window. */
export const client = [
  ...mutantsOf("packages/client/dist/machine/session-machine.js", {
    "handed-twice": {
      bug: "what an earlier session brought is handed over again",
      find: `const from = state.handed >= firstOffset ? Number(state.handed - firstOffset) + 1 : 0;`,
      replace: `const from = 0;`,
    },
    "handed-too-late": {
      bug: "one event too many is taken for handed over",
      find: `Number(state.handed - firstOffset) + 1 : 0;`,
      replace: `Number(state.handed - firstOffset) + 2 : 0;`,
    },
    "acks-what-was-not-received": {
      bug: "what was received in earlier sessions is acked in one that was not sent it",
      find: `const mine = cut(state.done, state.received);`,
      replace: `const mine = state.done;`,
    },
    "parks-what-was-not-received": {
      bug: "what was received in earlier sessions is parked in one that was not sent it",
      find: `offset <= state.received && !state.parksSent.has(offset)`,
      replace: `!state.parksSent.has(offset)`,
    },
    "done-forgotten": {
      bug: "what was done before a session is not acked in it",
      find: `const done = same ? union(state.done, theirs) : theirs;`,
      replace: `const done = theirs;`,
    },
    "parks-forgotten": {
      bug: "what was to be parked before a session is not parked in it",
      find: `parks: same ? withoutSettled(state.parks, theirs) : new Map(),`,
      replace: `parks: new Map(),`,
    },
    "move-not-noticed": {
      bug: "what was done before an operator moved the consumer still counts",
      find: `const same = state.logId === logId && state.moves === moves;`,
      replace: `const same = state.logId === logId;`,
    },
    "received-is-done": {
      bug: "what was received is acked",
      find: `const mine = cut(state.done, state.received);`,
      replace: `const mine = cut({ mark: state.received, ranges: [] }, state.received);`,
    },
    "never-connects-again": {
      bug: "a session that ended is not opened again",
      find: `effects: [{ kind: "connect-later", attempt: state.attempt + 1 }],`,
      replace: `effects: [],`,
    },
  }),
  ...mutantsOf("packages/client/dist/machine/side-machine.js", {
    "side-handed-twice": {
      bug: "a side delivery that an earlier session brought is handed over again",
      find: `if (standing === undefined) {`,
      replace: `if (standing?.kind !== "failed") {`,
    },
    "side-done-not-told": {
      bug: "a side delivery that is done is not acked in the next session",
      find: `if (standing.kind === "done") return { sides, effects: [{ kind: "ack-side", deliveryId }] };`,
      replace: ``,
    },
    "side-failed-not-told": {
      bug: "a side delivery that failed is not parked in the next session",
      find: `if (standing.kind === "failed") return { sides, effects: [{ kind: "park-side", deliveryId, failure: standing.failure }] };`,
      replace: ``,
    },
  }),
  ...mutantsOf("packages/transport/dist/machine/confirm-window.js", {
    "resent-out-of-order": {
      bug: "after a lost channel the newest message is sent first",
      find: `const index = firstIndex(state.runs, ({ onChannel }) => !onChannel);`,
      replace: `const index = state.runs.findLastIndex(({ onChannel }) => !onChannel);`,
    },
    "never-resent": {
      bug: "after a lost channel what was on it is not sent again",
      find: `return { ...run, onChannel: false, unanswered:`,
      replace: `return { ...run, unanswered:`,
    },
    "returned-is-ok": {
      bug: "a message that no queue took is confirmed",
      find: `!returned ? "ok" : unanswered`,
      replace: `true ? "ok" : unanswered`,
    },
    "returned-outlives-channel": {
      bug: "a message that was returned stays so when it is sent again",
      find: `(run.onChannel && !run.returned), returned: false };`,
      replace: `(run.onChannel && !run.returned) };`,
    },
    "loss-forgotten": {
      bug: "a message that may have been taken before the channel was lost is called rejected",
      find: `unanswered ? "returned-after-loss" : "returned"`,
      replace: `"returned"`,
    },
    "sent-called-never-sent": {
      bug: "a message that was written is called never sent",
      find: `(run.everSent ? "out-of-time" : "never-sent"));`,
      replace: `"never-sent");`,
    },
    "nacked-is-ok": {
      bug: "a message that RabbitMQ did not take is confirmed",
      find: `return settle(state, input.seq, () => "nacked");`,
      replace: `return settle(state, input.seq, () => "ok");`,
    },
    "lost-is-ok": {
      bug: "what was on a lost channel counts as confirmed",
      find: `state: { writable: false, runs: state.runs.map(lose) }, effects: none`,
      replace: `state: { writable: false, runs: state.runs.filter(({ onChannel }) => !onChannel) },
        effects: state.runs.filter(({ onChannel }) => onChannel).flatMap(closed).map((effect) => ({ ...effect, outcome: "ok" }))`,
    },
  }),
];
