/*
 * The publisher's window of unconfirmed messages. Pure. A message is sent in the order of `publish`, also after a reconnect: what is not confirmed is
 * sent again, first and in order. It leaves the window with one of three outcomes: confirmed (ok, or rejected when it was returned before),
 * nacked or out of time (indeterminate; rejected when it was never written at all).
 *
 * Neighbours mostly have the same fate: the window keeps runs of them, so that a step costs what the number of holes costs, and not the number of messages.
 */

/** Messages with consecutive numbers, `first` to `last`, to which the same happened. */
interface Run {
  readonly first: number;
  readonly last: number;
  /** Written to the open channel. */
  readonly onChannel: boolean;
  /** Written to any channel: RabbitMQ may have it. */
  readonly everSent: boolean;
  /** Written to an earlier channel, which closed without an answer. */
  readonly unanswered: boolean;
  readonly returned: boolean;
}

/** State of the window. `runs`: in ascending order; those on the channel come first. `writable`: a channel is open and takes bytes. */
export interface WindowState {
  readonly runs: readonly Run[];
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
export const emptyWindow: WindowState = { runs: [], writable: false };

const none: readonly WindowEffect[] = [];

/** One step. A message's `seq` is greater than those published before. */
export function stepWindow(state: WindowState, input: WindowInput): WindowStep {
  switch (input.kind) {
    case "publish": {
      const { runs, writable } = state;
      const run = newRun(input.seq);
      // Nothing waits before it: it is sent, as `sendNext` would, in one step.
      if (writable && runs.at(-1)?.onChannel !== false) {
        const sent = replace(runs, runs.length, 0, [{ ...run, onChannel: true, everSent: true }]);
        return { state: { runs: sent, writable }, effects: [{ kind: "send", seq: input.seq }] };
      }
      return sendNext({ runs: replace(runs, runs.length, 0, [run]), writable });
    }
    case "opened":
      return sendNext({ ...state, writable: true });
    case "closed":
      return { state: { writable: false, runs: state.runs.map(lose) }, effects: none };
    case "full":
      return { state: { ...state, writable: false }, effects: none };
    case "drained":
      return sendNext(state.writable ? state : { ...state, writable: true });
    case "returned": {
      const index = indexOf(state.runs, input.seq);
      const run = state.runs[index];
      if (run === undefined) return { state, effects: none };
      const returned = { ...only(run, input.seq), returned: true };
      return {
        state: { ...state, runs: replace(state.runs, index, 1, [...below(run, input.seq), returned, ...above(run, input.seq)]) },
        effects: none,
      };
    }
    case "confirmed":
      return settle(state, input.seq, ({ returned, unanswered }) => (!returned ? "ok" : unanswered ? "returned-after-loss" : "returned"));
    case "nacked":
      return settle(state, input.seq, () => "nacked");
    case "unwritable":
      return settle(state, input.seq, () => "unwritable");
    case "out-of-time":
      return settle(state, input.seq, (run) => (run.everSent ? "out-of-time" : "never-sent"));
    case "close":
      return { state: emptyWindow, effects: state.runs.flatMap(closed) };
  }
}

function newRun(seq: number): Run {
  return { first: seq, last: seq, onChannel: false, everSent: false, unanswered: false, returned: false };
}

/** Its channel closed. What was returned was in no queue. */
function lose(run: Run): Run {
  return { ...run, onChannel: false, unanswered: run.unanswered || (run.onChannel && !run.returned), returned: false };
}

function closed({ first, last, everSent }: Run): readonly WindowEffect[] {
  return Array.from({ length: last - first + 1 }, (_, i) => ({
    kind: "settle",
    seq: first + i,
    outcome: everSent ? "closed" : "never-sent",
  }));
}

/** Sends the oldest message that is not on the channel: one per step, so that the answer of the socket counts for the next. */
function sendNext(state: WindowState): WindowStep {
  if (!state.writable) return { state, effects: none };
  const index = firstIndex(state.runs, ({ onChannel }) => !onChannel);
  const run = state.runs[index];
  if (run === undefined) return { state, effects: none };
  const sent: Run = { ...only(run, run.first), onChannel: true, everSent: true };
  return {
    state: { ...state, runs: replace(state.runs, index, 1, [sent, ...above(run, run.first)]) },
    effects: [{ kind: "send", seq: run.first }],
  };
}

function settle(state: WindowState, seq: number, outcomeOf: (run: Run) => WindowOutcome): WindowStep {
  const index = indexOf(state.runs, seq);
  const run = state.runs[index];
  if (run === undefined) return { state, effects: none };
  return {
    state: { ...state, runs: replace(state.runs, index, 1, [...below(run, seq), ...above(run, seq)]) },
    effects: [{ kind: "settle", seq, outcome: outcomeOf(run) }],
  };
}

/** The run that holds `seq`; past the end when none does. */
function indexOf(runs: readonly Run[], seq: number): number {
  const index = firstIndex(runs, ({ last }) => last >= seq);
  const run = runs[index];
  return run !== undefined && run.first <= seq ? index : runs.length;
}

/** The first run of which something holds that holds of all later ones. */
function firstIndex(runs: readonly Run[], holds: (run: Run) => boolean): number {
  let from = 0;
  let to = runs.length;
  while (from < to) {
    const middle = (from + to) >>> 1;
    const run = runs[middle];
    if (run !== undefined && holds(run)) to = middle;
    else from = middle + 1;
  }
  return from;
}

const only = (run: Run, seq: number): Run => ({ ...run, first: seq, last: seq });
const below = (run: Run, seq: number): readonly Run[] => (run.first < seq ? [{ ...run, last: seq - 1 }] : []);
const above = (run: Run, seq: number): readonly Run[] => (run.last > seq ? [{ ...run, first: seq + 1 }] : []);

/** `runs` with `parts` in the place of `count` of them; the first part is joined to what stands before it. */
function replace(runs: readonly Run[], index: number, count: number, parts: readonly Run[]): readonly Run[] {
  const before = runs[index - 1];
  const [first, ...more] = parts;
  if (before === undefined || first === undefined || !joins(before, first)) return runs.toSpliced(index, count, ...parts);
  return runs.toSpliced(index - 1, count + 1, { ...before, last: first.last }, ...more);
}

function joins(one: Run, next: Run): boolean {
  return (
    one.last + 1 === next.first &&
    one.onChannel === next.onChannel &&
    one.everSent === next.everSent &&
    one.unanswered === next.unanswered &&
    one.returned === next.returned
  );
}
