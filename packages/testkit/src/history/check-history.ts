import { checkLogs } from "./check-logs.ts";
import { checkReaders } from "./check-readers.ts";
import type { History, Violation } from "./history.ts";

/**
 * Judges a history. Pure; time and memory grow with its length alone. An empty answer means that all of this holds:
 *
 * - **C1** a log holds an event once.
 * - **C2** what was published with outcome ok is in every log that takes its type; what was rejected is in none; every attempt has one outcome; nothing else is in
 *   a log. A declared gap excuses what is lost at its place, and nothing else.
 * - **C3** a log's offsets are consecutive. **C4** a publisher's events lie in the order in which it published them.
 * - **C5** what a reader is handed is consecutive, but for what is settled and for told gaps. **C6** it is what the log holds.
 * - **C7** a session begins above all that was told to be saved and below all that was not acked; only what was acked is told to be saved.
 * - **C8** tokens are unique and grow; an ack of an older session saves nothing that a newer one did not begin with.
 * - **C11** each consumer of `complete` was handed everything in the end. **C12** gaps that were told exist; those that exist were told; a log takes only its types.
 */
export function checkHistory(history: History): readonly Violation[] {
  const violations: Violation[] = [];
  const report = (rule: Violation["rule"], text: string): void => void violations.push({ rule, text });
  checkLogs(history, report);
  checkReaders(history, report);
  return violations;
}
