import { failpoints, type Failpoint } from "./points.ts";

/** Where patched code finds what to do; see `act.ts`. */
export const hitSymbol = "warren.failpoint";

/**
 * Puts failpoints into the source of a built file. Throws, naming the failpoint, when its place is not there exactly once: the table is stale.
 */
export function patch(file: string, source: string, points: readonly Failpoint[] = failpoints): string {
  let patched = source;
  for (const point of points) {
    if (point.file !== file) continue;
    const found = source.split(point.find).length - 1;
    if (found !== 1) {
      throw new Error(
        `failpoint ${point.name} is stale: ${file} has ${found} times, and not once, ${JSON.stringify(point.find)}; mend its row in points.ts`,
      );
    }
    const hit = `globalThis[Symbol.for("${hitSymbol}")](${JSON.stringify(point.name)})`;
    const insert = point.insert.replaceAll("$hit", () => hit);
    patched = patched.replace(point.find, (place) => (point.replace === true ? insert : insert + place));
  }
  return patched;
}
