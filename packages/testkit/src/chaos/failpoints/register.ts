import { readFileSync } from "node:fs";
import { applyPatch, registerPatches, root } from "../../patching/patch.ts";
import { actOn } from "./act.ts";
import { hitSymbol, patchOf } from "./patch-of.ts";
import { parseFailpoints } from "./plan.ts";
import { failpoints } from "./points.ts";

/*
 * For `node --import`: puts the failpoints that WARREN_FAILPOINTS names into the built files as they are loaded; the files stay as they are. Without the variable
 * nothing happens. A wrong variable, and any failpoint whose place is gone, ends the process at once.
 */

const text = process.env["WARREN_FAILPOINTS"] ?? "";
if (text !== "") {
  const plans = parseFailpoints(text);
  for (const point of failpoints) applyPatch(readFileSync(new URL(point.file, root), "utf8"), patchOf(point));
  Object.assign(globalThis, { [Symbol.for(hitSymbol)]: actOn(plans) });
  registerPatches(failpoints.filter(({ name }) => plans.some((plan) => plan.name === name)).map(patchOf));
}
