import type { Patch } from "../../patching/patch.ts";

/** A planted bug: the simulation must see a rule broken. */
export interface Mutant extends Patch {
  readonly name: string;
  /** What is wrong, in words. */
  readonly bug: string;
}

/** Planted bugs in one built file, by name. */
export function mutantsOf(file: string, bugs: Readonly<Record<string, Omit<Mutant, "name" | "file">>>): readonly Mutant[] {
  return Object.entries(bugs).map(([name, bug]) => ({ name, file, ...bug }));
}
