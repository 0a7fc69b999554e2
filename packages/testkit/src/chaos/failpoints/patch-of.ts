import type { Patch } from "../../patching/patch.ts";
import type { Failpoint } from "./points.ts";

/** Where patched code finds what to do; see `act.ts`. */
export const hitSymbol = "warren.failpoint";

/** What puts a failpoint into its built file. */
export function patchOf({ name, file, find, insert, replace }: Failpoint): Patch {
  const hit = `globalThis[Symbol.for("${hitSymbol}")](${JSON.stringify(name)})`;
  const put = insert.replaceAll("$hit", () => hit);
  return { name: `failpoint ${name}`, file, find, replace: replace === true ? put : put + find };
}
