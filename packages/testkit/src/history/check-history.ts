import { checkLogs } from "./check-logs.ts";
import { checkParked } from "./check-parked.ts";
import { checkProcesses } from "./check-processes.ts";
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
 * - **C10** a log is written by one writer after the other: epochs never go back along its offsets, and its commits cover it once.
 * - **C11** each consumer of `complete` was handed everything in the end, and each of its parked events that was retried.
 * - **C12** gaps that were told exist; those that exist were told; a log takes only its types; what one log holds (the archive is one) every other holds that takes
 *   its type and was there when it was first published. A declared gap is the only excuse, and for an event without outcome ok the death of RabbitMQ under it.
 * - **C13** in the end a process holds what it held at the beginning. **C14** no process ended but by us.
 *
 * Parked events and side deliveries: parking settles (C7); a side delivery is what a log held (C6) of an event that its consumer parked and somebody had retried, and
 * after it was told to be settled it never comes again (C5). An operator's move begins C5, C7 and C11 anew at its place.
 *
 * There is no C9 (a running hash over the log, the transcript of a complete consumer and the archive's projection): it would add nothing. C5, C6 and C11 say that
 * such a transcript is the log, event by event, and where they differ; C6 and C12 say the same of log and archive, whose orders may differ between publishers.
 * **C15**, whether a run saw what it is for, is `sometimes`.
 */
export function checkHistory(history: History): readonly Violation[] {
  const violations: Violation[] = [];
  const report = (rule: Violation["rule"], text: string): void => void violations.push({ rule, text });
  checkLogs(history, report);
  checkReaders(history, report);
  checkParked(history, report);
  checkProcesses(history.records, report);
  return violations;
}
