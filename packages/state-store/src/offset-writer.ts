import { backoffDelay, covers, isWarrenError, Times, WarrenError, type Clock, type Logger, type Settled } from "@warren/protocol";
import {
  cleanCoalescer,
  stepCoalescer,
  type CoalescerEffect,
  type CoalescerInput,
  type CoalescerState,
} from "./machine/offset-coalescer.ts";
import type { OffsetSave, SaveResult, StateStore } from "./state-store.ts";

/** What an OffsetWriter needs. */
export interface OffsetWriterDeps {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

/** A saved (or fenced) offset, with the token it was saved under. */
export type Saved = SaveResult & { readonly sessionToken: bigint };

interface Waiter {
  readonly name: string;
  readonly sessionToken: bigint;
  readonly wanted: Settled;
  readonly settle: (saved: Saved) => void;
}

/** Saves acked offsets asynchronously: losing the last ones to a crash only makes events come again. */
export class OffsetWriter {
  readonly #deps: OffsetWriterDeps;
  readonly #abort = new AbortController();
  readonly #listeners = new Set<(saved: Saved) => void>();
  /** Newest offset told for each name, so that a late question is answered at once. */
  readonly #newest = new Map<string, Saved>();
  #waiters: Waiter[] = [];
  /** Who waits for a flush, by its ticket. */
  readonly #flushes = new Map<number, () => void>();
  #tickets = 0;
  #state: CoalescerState = cleanCoalescer;

  constructor(deps: OffsetWriterDeps) {
    this.#deps = deps;
  }

  /** All of this is settled; saved within about 100 ms. After `stop`: nothing. */
  ack(name: string, sessionToken: bigint, { mark, ranges }: Settled): void {
    if (!this.#abort.signal.aborted) this.#dispatch({ kind: "acked", save: { name, sessionToken, ackedOffset: mark, ranges } });
  }

  /** Resolves with what is saved once that covers `wanted`. Throws TAKEN_OVER when a newer session has the name; on abort `signal.reason`. */
  async whenSaved(name: string, sessionToken: bigint, wanted: Settled, options: { readonly signal: AbortSignal }): Promise<Settled> {
    options.signal.throwIfAborted();
    const newest = this.#newest.get(name);
    if (newest?.kind === "saved" && newest.sessionToken === sessionToken && covers(settledOf(newest), wanted)) return settledOf(newest);
    const { promise, resolve, reject } = Promise.withResolvers<Saved>();
    const waiter: Waiter = { name, sessionToken, wanted, settle: resolve };
    const aborted = (): void => reject(options.signal.reason);
    options.signal.addEventListener("abort", aborted, { once: true });
    this.#waiters.push(waiter);
    try {
      const saved = await promise;
      if (saved.kind === "saved" && saved.sessionToken === sessionToken) return settledOf(saved);
      throw new WarrenError("TAKEN_OVER", `a newer session has consumer ${name}; its acks count, this one's are void`);
    } finally {
      options.signal.removeEventListener("abort", aborted);
      this.#waiters = this.#waiters.filter((each) => each !== waiter);
    }
  }

  /** Hears of every save. Returns the function that ends it. */
  onSaved(listener: (saved: Saved) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What was told of a name is kept no longer: nobody has it, nobody asks. */
  forget(name: string): void {
    this.#newest.delete(name);
  }

  /** Resolves when everything acked so far is saved, whatever is acked meanwhile; waits while the database is away, until `stop`. */
  async flush(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tickets += 1;
    this.#flushes.set(this.#tickets, resolve);
    this.#dispatch({ kind: "flush", ticket: this.#tickets });
    await promise;
  }

  /** Saves nothing more; a save under way may still happen. Waiters of `flush` go on. Twice is fine. */
  stop(): void {
    this.#abort.abort(new WarrenError("CLOSED", "offsets are not saved any more"));
    for (const resolve of this.#flushes.values()) resolve();
    this.#flushes.clear();
  }

  #dispatch(input: CoalescerInput): void {
    const { state, effects } = stepCoalescer(this.#state, input, this.#deps.clock.monotonicMs(), Times.offsetFlushMs);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: CoalescerEffect): void {
    switch (effect.kind) {
      case "save":
        void this.#save(effect.saves);
        return;
      case "wake":
        this.#deps.clock.after(effect.afterMs, () => this.#dispatch({ kind: "due" }));
        return;
      case "told":
        this.#told({ ...effect.result, sessionToken: effect.sessionToken });
        return;
      case "flushed":
        this.#flushes.get(effect.ticket)?.();
        this.#flushes.delete(effect.ticket);
    }
  }

  async #save(saves: readonly OffsetSave[]): Promise<void> {
    const { store, logger, random } = this.#deps;
    try {
      const results = await store.saveOffsets(saves);
      this.#dispatch({ kind: "saved", results });
    } catch (error) {
      if (this.#abort.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      if (isWarrenError(error, "STORE_UNAVAILABLE")) logger.warn("offsets not saved", { error: message });
      else logger.error("offsets not saved", { error });
      this.#dispatch({ kind: "failed", retryMs: backoffDelay(this.#state.attempt + 1, random) });
    }
  }

  #told(saved: Saved): void {
    this.#newest.set(saved.name, saved);
    for (const waiter of this.#waiters) {
      if (waiter.name !== saved.name) continue;
      const done = saved.kind === "fenced" || saved.sessionToken !== waiter.sessionToken || covers(settledOf(saved), waiter.wanted);
      if (done) waiter.settle(saved);
    }
    for (const listener of this.#listeners) listener(saved);
  }
}

function settledOf({ ackedOffset, ranges }: Extract<Saved, { kind: "saved" }>): Settled {
  return { mark: ackedOffset, ranges };
}
