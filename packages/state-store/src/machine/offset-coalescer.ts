import { settle, raiseMark, type Settled } from "@warren/protocol";
import type { OffsetSave, SaveResult } from "../state-store.ts";

/*
 * Saving offsets behind the events: acks of one name within a short time become one save, all names share one statement, at most one is
 * under way. Each name by itself, monotone, with the token of its session. Pure.
 */

/** State: what is not saved yet, what is being saved, and when the next save is due (monotonic ms). */
export interface CoalescerState {
  readonly unsaved: ReadonlyMap<string, OffsetSave>;
  readonly saving: readonly OffsetSave[];
  readonly dueAt: number | undefined;
  readonly attempt: number;
  /** Saves begun so far: the number of the newest one. */
  readonly started: number;
  /** Who waits, each for the save of that number; while anyone does, no save is delayed. */
  readonly flushes: readonly { readonly ticket: number; readonly save: number }[];
}

/** What happened. */
export type CoalescerInput =
  | { readonly kind: "acked"; readonly save: OffsetSave }
  | { readonly kind: "due" }
  /** Save at once; `flushed` with the same ticket tells when everything acked so far is saved. */
  | { readonly kind: "flush"; readonly ticket: number }
  | { readonly kind: "saved"; readonly results: readonly SaveResult[] }
  /** `retryMs`: how long to wait before trying again. */
  | { readonly kind: "failed"; readonly retryMs: number };

/** What to do. */
export type CoalescerEffect =
  | { readonly kind: "save"; readonly saves: readonly OffsetSave[] }
  /** Wake with `due` after so many milliseconds. */
  | { readonly kind: "wake"; readonly afterMs: number }
  | { readonly kind: "told"; readonly result: SaveResult; readonly sessionToken: bigint }
  | { readonly kind: "flushed"; readonly ticket: number };

/** A state and what to do now, in order. */
export interface CoalescerStep {
  readonly state: CoalescerState;
  readonly effects: readonly CoalescerEffect[];
}

/** Nothing to save. */
export const cleanCoalescer: CoalescerState = {
  unsaved: new Map(),
  saving: [],
  dueAt: undefined,
  attempt: 0,
  started: 0,
  flushes: [],
};

/** One step. `delayMs`: how long the first unsaved ack of a batch waits for more. */
export function stepCoalescer(state: CoalescerState, input: CoalescerInput, now: number, delayMs: number): CoalescerStep {
  switch (input.kind) {
    case "acked":
      return acked(state, input.save, now, delayMs);
    case "due":
      if (state.dueAt === undefined) return { state, effects: [] };
      // A timer may fire a fraction of a millisecond early.
      if (now < state.dueAt) return { state, effects: [{ kind: "wake", afterMs: state.dueAt - now }] };
      return save({ ...state, dueAt: undefined });
    case "flush":
      return flush(state, input.ticket);
    case "saved":
      return saved(state, input.results, now, delayMs);
    case "failed": {
      // What was being saved goes back, unless something newer is there.
      const unsaved = new Map(state.saving.map((each) => [each.name, each]));
      for (const each of state.unsaved.values()) put(unsaved, each);
      const flushes = state.flushes.map(({ ticket }) => ({ ticket, save: state.started + 1 }));
      return {
        state: { ...state, unsaved, saving: [], flushes, attempt: state.attempt + 1, dueAt: now + input.retryMs },
        effects: [{ kind: "wake", afterMs: input.retryMs }],
      };
    }
  }
}

/** A newer session replaces an older one; within a session what is settled only grows. */
function put(unsaved: Map<string, OffsetSave>, next: OffsetSave): void {
  const had = unsaved.get(next.name);
  if (had === undefined || next.sessionToken > had.sessionToken) unsaved.set(next.name, next);
  else if (next.sessionToken === had.sessionToken) unsaved.set(next.name, { ...next, ...union(had, next) });
}

function union(one: OffsetSave, two: OffsetSave): Pick<OffsetSave, "ackedOffset" | "ranges"> {
  const start: Settled = { mark: one.ackedOffset, ranges: one.ranges };
  const { mark, ranges } = two.ranges.reduce(settle, raiseMark(start, two.ackedOffset));
  return { ackedOffset: mark, ranges };
}

function acked(state: CoalescerState, next: OffsetSave, now: number, delayMs: number): CoalescerStep {
  const unsaved = new Map(state.unsaved);
  put(unsaved, next);
  const grown = { ...state, unsaved };
  if (state.saving.length > 0 || state.dueAt !== undefined) return { state: grown, effects: [] };
  return { state: { ...grown, dueAt: now + delayMs }, effects: [{ kind: "wake", afterMs: delayMs }] };
}

/** Not until nothing is unsaved: while others ack all the time that may be never. */
function flush(state: CoalescerState, ticket: number): CoalescerStep {
  if (state.unsaved.size === 0 && state.saving.length === 0) return { state, effects: [{ kind: "flushed", ticket }] };
  const last = state.unsaved.size > 0 ? state.started + 1 : state.started;
  return save({ ...state, flushes: [...state.flushes, { ticket, save: last }], dueAt: undefined });
}

function save(state: CoalescerState): CoalescerStep {
  if (state.saving.length > 0 || state.unsaved.size === 0) return { state, effects: [] };
  const saving = [...state.unsaved.values()];
  return { state: { ...state, unsaved: new Map(), saving, started: state.started + 1 }, effects: [{ kind: "save", saves: saving }] };
}

function saved(state: CoalescerState, results: readonly SaveResult[], now: number, delayMs: number): CoalescerStep {
  const tokens = new Map<string, bigint>(state.saving.map(({ name, sessionToken }) => [name, sessionToken]));
  const told: CoalescerEffect[] = results.map((result) => ({ kind: "told", result, sessionToken: tokens.get(result.name) ?? 0n }));
  const done = state.flushes.filter((each) => each.save <= state.started);
  const flushes = state.flushes.filter((each) => each.save > state.started);
  const effects: readonly CoalescerEffect[] = [...told, ...done.map(({ ticket }) => ({ kind: "flushed" as const, ticket }))];
  const rest: CoalescerState = { ...state, saving: [], attempt: 0, flushes };
  if (rest.unsaved.size === 0) return { state: rest, effects };
  if (flushes.length > 0) {
    const next = save(rest);
    return { state: next.state, effects: [...effects, ...next.effects] };
  }
  return { state: { ...rest, dueAt: now + delayMs }, effects: [...effects, { kind: "wake", afterMs: delayMs }] };
}
