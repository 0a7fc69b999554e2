import { WarrenError } from "./errors.ts";

/** Throws ILLEGAL_STATE (our bug) when `condition` does not hold. A function gives the message, and is called only then, where every event passes: to write numbers as text costs. */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new WarrenError("ILLEGAL_STATE", typeof message === "string" ? message : message());
}

/** Returns `value`; throws ILLEGAL_STATE (our bug) when it is missing. */
export function must<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new WarrenError("ILLEGAL_STATE", message);
  return value;
}

/** Ends a switch over a closed union: does not compile while a case is missing; throws ILLEGAL_STATE when one arrives. */
export function unreachable(value: never): never {
  throw new WarrenError("ILLEGAL_STATE", `unexpected value: ${JSON.stringify(value)}`);
}
