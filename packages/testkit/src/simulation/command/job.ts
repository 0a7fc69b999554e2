import type { Patch } from "../../patching/patch.ts";

/** What a worker has to run. */
export interface Job {
  /** The first seed, and how far it is to the next one. */
  readonly seed: number;
  readonly stride: number;
  readonly seconds: number;
  /** It ends after so many violations. */
  readonly violations: number;
  /** The first violation of each rule is shrunk. */
  readonly shrink: boolean;
  readonly patches: readonly Patch[];
}

/** What a worker tells. `steps` and `runs`: since it last told. */
export type Told =
  | { readonly kind: "progress"; readonly steps: number; readonly runs: number; readonly covered: readonly string[] }
  | { readonly kind: "violation"; readonly seed: number; readonly text: string }
  /** The violation before it, shrunk, and what happens in it. */
  | { readonly kind: "shrunk"; readonly seed: number; readonly steps: readonly number[]; readonly text: string };
