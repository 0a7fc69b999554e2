import { setFlagsFromString } from "node:v8";

/** The first major version of V8 that has both flags: Node 24's. */
const knownSince = 13;

/**
 * Lets garbage grow to the size of what is in use before it is collected, buffers counted on both sides. By itself V8 collects all of the heap whenever 64 MiB of
 * new buffers were made, which a busy app does several times a second: that was a quarter of a broker's CPU. Memory stays below twice of what is in use. Flags of
 * the command line or of NODE_OPTIONS come first, for what is set here is only what they say nothing of.
 */
export function collectLessOften(): void {
  if (Number(process.versions.v8.split(".")[0]) < knownSince) return;
  const given = [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ").replaceAll("_", "-");
  const flags = { "external-memory-accounted-in-global-limit": "", "heap-growing-percent": "=100" };
  for (const [flag, value] of Object.entries(flags)) if (!given.includes(flag)) setFlagsFromString(`--${flag}${value}`);
}
