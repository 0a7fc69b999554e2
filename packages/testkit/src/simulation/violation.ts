/** A rule was broken: the run ends, its seed is the report. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** Throws a Violation when `condition` does not hold. */
export function rule(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Violation(text);
}
