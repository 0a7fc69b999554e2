import { readFileSync } from "node:fs";
import { registerHooks } from "node:module";
import { actOn } from "./act.ts";
import { hitSymbol, patch } from "./patch.ts";
import { parseFailpoints } from "./plan.ts";
import { failpoints } from "./points.ts";

/*
 * For `node --import`: puts the failpoints that WARREN_FAILPOINTS names into the built files as they are loaded; the files stay as they are. Without the variable
 * nothing happens. A wrong variable, and any failpoint whose place is gone, ends the process at once.
 */

const text = process.env["WARREN_FAILPOINTS"] ?? "";
if (text !== "") {
  const root = new URL("../../../../../", import.meta.url);
  const plans = parseFailpoints(text);
  const files = new Map([...new Set(failpoints.map(({ file }) => file))].map((file) => [new URL(file, root).href, file]));
  for (const [url, file] of files) patch(file, readFileSync(new URL(url), "utf8"));
  const wanted = failpoints.filter(({ name }) => plans.some((plan) => plan.name === name));
  Object.assign(globalThis, { [Symbol.for(hitSymbol)]: actOn(plans) });
  registerHooks({
    load(url, context, nextLoad) {
      const file = files.get(url);
      const loaded = nextLoad(url, context);
      if (file === undefined || loaded.source === undefined || loaded.source === null) return loaded;
      const source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source);
      return { ...loaded, source: patch(file, source, wanted) };
    },
  });
}
