import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Sometimes } from "../history/sometimes.ts";

/** Interesting states: a run that reached none of a kind has not tested it. By how an app's log tells them. */
const told: Readonly<Record<string, RegExp>> = {
  fenced: /"msg":"receiver fenced"/,
  "commit unknown": /"error":"the database did not say whether/,
  "append failed": /"msg":"append failed"/,
  blocked: /"msg":"RabbitMQ blocks publishing"/,
  "queue deleted": /"reason":"queue-deleted"/,
  "connection to RabbitMQ lost": /"msg":"connection to RabbitMQ lost"/,
  drained: /"msg":"draining"/,
  "failpoint hit": /^failpoint \S+ \S+ at hit \d+$/,
};

/** Counts the interesting states that the apps of a run told of in their logs. */
export function countTold(folder: string): Sometimes {
  const counts: Record<string, number> = Object.fromEntries(Object.keys(told).map((what) => [what, 0]));
  for (const name of readdirSync(folder)) {
    if (!/^(?:broker-.|archiver)\.log$/.test(name)) continue;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      for (const [what, pattern] of Object.entries(told)) if (pattern.test(line)) counts[what] = (counts[what] ?? 0) + 1;
    }
  }
  return counts;
}
