import type { Settled } from "@warren/protocol";
import type { OffsetSave, SaveResult } from "@warren/state-store";
import { cleanCoalescer, stepCoalescer, type CoalescerEffect, type CoalescerInput, type CoalescerState } from "@warren/state-store/machine";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** What the broker hears of a save. */
export type Saved = SaveResult & { readonly sessionToken: bigint };

/** How long acks wait for more. */
const delayMs = 5;

/** The shell of the offset coalescer: one for each broker, as shipped. */
export class SimOffsets {
  readonly #world: World;
  readonly #broker: { readonly id: number; readonly up: boolean };
  readonly #told: (saved: Saved) => void;
  readonly #flushes = new Map<number, () => void>();
  #tickets = 0;
  #state: CoalescerState = cleanCoalescer;
  #saving = false;

  constructor(world: World, broker: { readonly id: number; readonly up: boolean }, told: (saved: Saved) => void) {
    this.#world = world;
    this.#broker = broker;
    this.#told = told;
  }

  ack(name: string, sessionToken: bigint, { mark, ranges }: Settled): void {
    this.#input({ kind: "acked", save: { name, sessionToken, ackedOffset: mark, ranges } });
  }

  /** Calls `done` when everything acked so far is saved. */
  flush(done: () => void): void {
    this.#tickets += 1;
    this.#flushes.set(this.#tickets, done);
    this.#input({ kind: "flush", ticket: this.#tickets });
  }

  #input(input: CoalescerInput): void {
    this.#world.stepped();
    const { state, effects } = stepCoalescer(this.#state, input, this.#world.now, delayMs);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: CoalescerEffect): void {
    const { network } = this.#world;
    const { id } = this.#broker;
    const alive = (): boolean => this.#broker.up;
    switch (effect.kind) {
      case "save":
        rule(!this.#saving, "W13: a save begins while one is under way");
        this.#saving = true;
        network.send(`offsets-${id}`, alive, () => this.#save(effect.saves));
        return;
      case "wake":
        network.timer(`wake-${id}`, alive, effect.afterMs, () => this.#input({ kind: "due" }));
        return;
      case "told":
        this.#told({ ...effect.result, sessionToken: effect.sessionToken });
        return;
      case "flushed": {
        const done = this.#flushes.get(effect.ticket);
        this.#flushes.delete(effect.ticket);
        done?.();
      }
    }
  }

  #save(saves: readonly OffsetSave[]): void {
    const { random, faults, consumers, network, cover } = this.#world;
    const alive = (): boolean => this.#broker.up;
    const luck = faults ? random.next() : 1;
    const results: readonly SaveResult[] =
      luck < 0.05
        ? []
        : saves.map(({ name, sessionToken, ackedOffset, ranges }) => {
            const saved = consumers.save(name, sessionToken, { mark: ackedOffset, ranges });
            if (saved === undefined) cover("save-fenced");
            return saved === undefined ? { kind: "fenced", name } : { kind: "saved", name, ackedOffset: saved.mark, ranges: saved.ranges };
          });
    // Between 0.05 and 0.1 it was saved, and the answer got lost.
    if (luck < 0.1) cover(luck < 0.05 ? "save-failed" : "save-unknown");
    network.send(`offsets-${this.#broker.id}`, alive, () => {
      this.#saving = false;
      this.#input(luck < 0.1 ? { kind: "failed", retryMs: 3 } : { kind: "saved", results });
    });
  }
}
