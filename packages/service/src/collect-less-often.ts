import { setFlagsFromString } from "node:v8";

/** The first major version of V8 that has these flags: Node 24's. */
const knownSince = 13;

/** Flags of V8: buffers count as heap, garbage may grow to the size of what is in use before it is collected (ADR-0017), and code that was not used for a while is kept (ADR-0020). */
const flags = ["--external-memory-accounted-in-global-limit", "--heap-growing-percent=100", "--no-flush-bytecode"];

/**
 * Lets garbage grow to the size of what is in use, buffers counted on both sides. By itself V8 collects the whole heap whenever 64 MiB of new buffers were made, which a
 * busy app does several times a second: that was a quarter of a broker's CPU. What is used stays below about twice of what is held. Code stays too: an app that was at rest
 * would compile it again when there is work. What the command line says of these flags stays.
 */
export function collectLessOften(): void {
  for (const flag of flagsToSet(process.versions.v8, process.execArgv)) setFlagsFromString(flag);
}

/** Which flags are set for a version of V8 and a command line. */
export function flagsToSet(version: string, commandLine: readonly string[]): readonly string[] {
  if (Number(version.split(".")[0]) < knownSince) return [];
  const given = new Set(commandLine.map(nameOf));
  return flags.filter((flag) => !given.has(nameOf(flag)));
}

/** Without its value, and the same with "no" as without. */
function nameOf(argument: string): string {
  return argument
    .replaceAll("_", "-")
    .replace(/^--no-/, "--")
    .replace(/=.*/s, "");
}
