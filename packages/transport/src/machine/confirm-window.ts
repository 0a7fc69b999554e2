/*
 * The publisher's window of unconfirmed messages. Pure. A message is sent in the order of `publish`, also after a reconnect: what is not confirmed is
 * sent again, first and in order. It leaves the window with one of three outcomes: confirmed (ok, or rejected when it was returned before),
 * nacked or out of time (indeterminate; rejected when it was never written at all).
 */

/** One message in the window. */
interface Entry {
  readonly seq: number;
  /** Written to the open channel. */
  readonly onChannel: boolean;
  /** Written to any channel: RabbitMQ may have it. */
  readonly everSent: boolean;
  /** Written to an earlier channel, which closed without an answer. */
  readonly unanswered: boolean;
  readonly returned: boolean;
}

/** State of the window. `writable`: a channel is open and takes bytes. */
export interface WindowState {
  readonly entries: readonly Entry[];
  readonly writable: boolean;
}

/** What happened. */
export type WindowInput =
  | { readonly kind: "publish"; readonly seq: number }
  | { readonly kind: "opened" }
  | { readonly kind: "closed" }
  /** The socket's buffer is full. */
  | { readonly kind: "full" }
  | { readonly kind: "drained" }
  | { readonly kind: "returned"; readonly seq: number }
  | { readonly kind: "confirmed"; readonly seq: number }
  | { readonly kind: "nacked"; readonly seq: number }
  | { readonly kind: "out-of-time"; readonly seq: number }
  /** The client library refuses to write it. */
  | { readonly kind: "unwritable"; readonly seq: number }
  | { readonly kind: "close" };

/** Why a message left the window. `returned-after-loss`: no queue takes it now, but one may have taken it over an earlier channel. */
export type WindowOutcome = "ok" | "returned" | "returned-after-loss" | "never-sent" | "nacked" | "out-of-time" | "unwritable" | "closed";

/** What to do. After each `send` the shell may say `full`, `closed` or `unwritable` before the next. */
export type WindowEffect =
  | { readonly kind: "send"; readonly seq: number }
  | { readonly kind: "settle"; readonly seq: number; readonly outcome: WindowOutcome };

/** A state and what to do now, in order. */
export interface WindowStep {
  readonly state: WindowState;
  readonly effects: readonly WindowEffect[];
}

/** Nothing published, no channel. */
export const emptyWindow: WindowState = { entries: [], writable: false };

/** One step. */
export function stepWindow(state: WindowState, input: WindowInput): WindowStep {
  switch (input.kind) {
    case "publish":
      return sendNext({
        ...state,
        entries: [...state.entries, { seq: input.seq, onChannel: false, everSent: false, unanswered: false, returned: false }],
      });
    case "opened":
      return sendNext({ ...state, writable: true });
    case "closed":
      return {
        state: { writable: false, entries: state.entries.map(lose) },
        effects: [],
      };
    case "full":
      return { state: { ...state, writable: false }, effects: [] };
    case "drained":
      return sendNext({ ...state, writable: true });
    case "returned":
      return {
        state: { ...state, entries: state.entries.map((entry) => (entry.seq === input.seq ? { ...entry, returned: true } : entry)) },
        effects: [],
      };
    case "confirmed":
      return settle(state, input.seq, ({ returned, unanswered }) => (!returned ? "ok" : unanswered ? "returned-after-loss" : "returned"));
    case "nacked":
      return settle(state, input.seq, () => "nacked");
    case "unwritable":
      return settle(state, input.seq, () => "unwritable");
    case "out-of-time":
      return settle(state, input.seq, (entry) => (entry.everSent ? "out-of-time" : "never-sent"));
    case "close":
      return {
        state: emptyWindow,
        effects: state.entries.map(({ seq, everSent }) => ({ kind: "settle", seq, outcome: everSent ? "closed" : "never-sent" })),
      };
  }
}

/** Its channel closed. What was returned was in no queue. */
function lose(entry: Entry): Entry {
  return { ...entry, onChannel: false, unanswered: entry.unanswered || (entry.onChannel && !entry.returned), returned: false };
}

/** Sends the oldest message that is not on the channel: one per step, so that the answer of the socket counts for the next. */
function sendNext(state: WindowState): WindowStep {
  if (!state.writable) return { state, effects: [] };
  const index = state.entries.findIndex(({ onChannel }) => !onChannel);
  const entry = state.entries[index];
  if (entry === undefined) return { state, effects: [] };
  return {
    state: { ...state, entries: state.entries.with(index, { ...entry, onChannel: true, everSent: true }) },
    effects: [{ kind: "send", seq: entry.seq }],
  };
}

function settle(state: WindowState, seq: number, outcomeOf: (entry: Entry) => WindowOutcome): WindowStep {
  const entry = state.entries.find((each) => each.seq === seq);
  if (entry === undefined) return { state, effects: [] };
  return {
    state: { ...state, entries: state.entries.filter((each) => each !== entry) },
    effects: [{ kind: "settle", seq, outcome: outcomeOf(entry) }],
  };
}
