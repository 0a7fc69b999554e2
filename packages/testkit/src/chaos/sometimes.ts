import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { JournalLine } from "./journal.ts";

/** Interesting states: a run that reached none of a kind has not tested it. By how an app's log tells them. */
const told: Readonly<Record<string, RegExp>> = {
  fenced: /"msg":"receiver fenced"/,
  "commit unknown": /"error":"the database did not say whether/,
  "append failed": /"msg":"append failed"/,
  blocked: /"msg":"RabbitMQ blocks publishing"/,
  "queue deleted": /"reason":"queue-deleted"/,
  "connection to RabbitMQ lost": /"msg":"connection to RabbitMQ lost"/,
  drained: /"msg":"draining"/,
};

/**
 * Counts the interesting states that a run reached: from its history, and from what the apps wrote. `more`: counted elsewhere.
 */
export function countSometimes(
  lines: readonly JournalLine[],
  folder: string,
  more: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = { ...more };
  const count = (what: string): void => void (counts[what] = (counts[what] ?? 0) + 1);
  for (const what of Object.keys(told)) counts[what] = 0;
  const readers = new Map<string, string>();
  const owners = new Map<string, string>();
  const handed = new Map<string, bigint>();
  for (const line of lines) {
    if (line.kind === "note") count(line.what);
    else if (line.kind === "outcome" && line.outcome !== "ok") count(line.outcome);
    else if (line.kind === "gap") count("gap told");
    else if (line.kind === "opened") {
      const before = owners.get(line.consumer);
      if (before !== undefined) count(before === line.reader ? "resumed" : "opened by another program");
      owners.set(line.consumer, line.reader);
      readers.set(line.reader, line.consumer);
    } else if (line.kind === "event") {
      const consumer = readers.get(line.reader) ?? "";
      if (line.offset <= (handed.get(consumer) ?? 0n)) count("handed over again");
      else handed.set(consumer, line.offset);
    }
  }
  for (const name of readdirSync(folder)) {
    if (!/^(?:broker-.|archiver)\.log$/.test(name)) continue;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n")) {
      for (const [what, pattern] of Object.entries(told)) if (pattern.test(line)) count(what);
    }
  }
  return counts;
}
