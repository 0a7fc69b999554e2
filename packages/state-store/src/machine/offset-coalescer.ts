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
  /** Someone waits for everything to be saved: no delay. */
  readonly flushing: boolean;
}

/** What happened. */
export type CoalescerInput =
  | { readonly kind: "acked"; readonly save: OffsetSave }
  | { readonly kind: "due" }
  | { readonly kind: "flush" }
  | { readonly kind: "saved"; readonly results: readonly SaveResult[] }
  /** `retryMs`: how long to wait before trying again. */
  | { readonly kind: "failed"; readonly retryMs: number };

/** What to do. */
export type CoalescerEffect =
  | { readonly kind: "save"; readonly saves: readonly OffsetSave[] }
  /** Wake with `due` after so many milliseconds. */
  | { readonly kind: "wake"; readonly afterMs: number }
  | { readonly kind: "told"; readonly result: SaveResult; readonly sessionToken: bigint }
  /** Nothing is unsaved or under way. */
  | { readonly kind: "clean" };

/** A state and what to do now, in order. */
export interface CoalescerStep {
  readonly state: CoalescerState;
  readonly effects: readonly CoalescerEffect[];
}

/** Nothing to save. */
export const cleanCoalescer: CoalescerState = { unsaved: new Map(), saving: [], dueAt: undefined, attempt: 0, flushing: false };

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
      if (state.unsaved.size === 0 && state.saving.length === 0) return { state, effects: [{ kind: "clean" }] };
      return save({ ...state, flushing: true, dueAt: undefined });
    case "saved":
      return saved(state, input.results, now, delayMs);
    case "failed": {
      // What was being saved goes back, unless something newer is there.
      const unsaved = new Map(state.saving.map((each) => [each.name, each]));
      for (const each of state.unsaved.values()) put(unsaved, each);
      return {
        state: { ...state, unsaved, saving: [], attempt: state.attempt + 1, dueAt: now + input.retryMs },
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

function save(state: CoalescerState): CoalescerStep {
  if (state.saving.length > 0 || state.unsaved.size === 0) return { state, effects: [] };
  const saving = [...state.unsaved.values()];
  return { state: { ...state, unsaved: new Map(), saving }, effects: [{ kind: "save", saves: saving }] };
}

function saved(state: CoalescerState, results: readonly SaveResult[], now: number, delayMs: number): CoalescerStep {
  const tokens = new Map<string, bigint>(state.saving.map(({ name, sessionToken }) => [name, sessionToken]));
  const told: CoalescerEffect[] = results.map((result) => ({ kind: "told", result, sessionToken: tokens.get(result.name) ?? 0n }));
  const rest: CoalescerState = { ...state, saving: [], attempt: 0 };
  if (rest.unsaved.size === 0) return { state: { ...rest, flushing: false }, effects: [...told, { kind: "clean" }] };
  if (rest.flushing) {
    const next = save(rest);
    return { state: next.state, effects: [...told, ...next.effects] };
  }
  return { state: { ...rest, dueAt: now + delayMs }, effects: [...told, { kind: "wake", afterMs: delayMs }] };
}
