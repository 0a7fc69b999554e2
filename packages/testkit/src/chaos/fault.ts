import type { Prng } from "../simulation/prng.ts";
import type { ChaosSystem } from "./system.ts";

/** A part of the system that a fault breaks. Two faults that touch the same part are never injected at once. */
export type Part = "brokers" | "archiver" | "rabbitmq" | "postgres" | "network" | "subscribers" | "publishers";

/** One kind of fault. */
export interface Fault {
  /** A word or two with dashes, unique. */
  readonly kind: string;
  /** The row of the table of faults that it is, for example F4. */
  readonly row: string;
  readonly touches: readonly Part[];
  /** How long it lasts, at least and at most, in milliseconds: between what `begin` and `end` do. */
  readonly lastsMs: readonly [number, number];
  /** Why it cannot be had on this machine; then a run goes without it, and says so. Without it, it can be had everywhere. */
  readonly notHere?: () => string | undefined;
  /** Interesting states that a run reaches for certain when it was injected. */
  readonly reaches?: readonly string[];
  /**
   * Injects it; which one of several it hits is drawn from `random`. Resolves when it is injected. Throws when it could not be: the run goes on, and says so.
   */
  begin(system: ChaosSystem, random: Prng): Promise<Injected>;
}

/** A fault that was injected. */
export interface Injected {
  /** What it hit, for people. */
  readonly target: string;
  /** Heals it. Resolves when the cause is gone, not when the system has recovered. Called once. */
  end(): Promise<void>;
}
