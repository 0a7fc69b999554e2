import { setFlagsFromString } from "node:v8";

/** The first major version of V8 that has both flags: Node 24's. */
const knownSince = 13;

/** Flags of V8: buffers count as heap, and garbage may grow to the size of what is in use before it is collected (ADR-0017). */
const flags = { "--external-memory-accounted-in-global-limit": "", "--heap-growing-percent": "=100" };

/**
 * Lets garbage grow to the size of what is in use, buffers counted on both sides. By itself V8 collects the whole heap whenever 64 MiB of new buffers were made, which a
 * busy app does several times a second: that was a quarter of a broker's CPU. What is used stays below about twice of what is held. What the command line says of
 * these flags stays.
 */
export function collectLessOften(): void {
  for (const flag of flagsToSet(process.versions.v8, process.execArgv)) setFlagsFromString(flag);
}

/** Which flags are set for a version of V8 and a command line. */
export function flagsToSet(version: string, commandLine: readonly string[]): readonly string[] {
  if (Number(version.split(".")[0]) < knownSince) return [];
  const given = commandLine.map((argument) => argument.replaceAll("_", "-").replace(/^--no-/, "--"));
  return Object.entries(flags).flatMap(([flag, value]) =>
    given.some((argument) => argument.split("=")[0] === flag) ? [] : [`${flag}${value}`],
  );
}
