import type { HistoryRecord, Violation } from "./history.ts";

type Report = (rule: Violation["rule"], text: string) => void;
type Sample = Extract<HistoryRecord, { kind: "resources" }>;

/** What is no leak: a connection that a pool keeps, a file that is just open. */
const slack = 5;
/** A heap breathes more than a count does. */
const heapFactor = 1.3;

/** C13: what a process holds in the end it held at the beginning; of several samples the last counts. C14: none ended but by us. */
export function checkProcesses(records: readonly HistoryRecord[], report: Report): void {
  const samples = { baseline: new Map<string, Sample>(), end: new Map<string, Sample>() };
  for (const record of records) {
    if (record.kind === "resources") samples[record.at].set(record.process, record);
    else if (record.kind === "process-ended" && !record.expected) report("C14", `${record.process} ended by itself: ${record.how}`);
  }
  for (const [process, { counts, heapBytes }] of samples.baseline) {
    const end = samples.end.get(process);
    if (end === undefined) report("C13", `nobody looked at the end what ${process} holds`);
    for (const [what, count] of Object.entries(end?.counts ?? {})) {
      const before = counts[what] ?? 0;
      if (count > before + slack) report("C13", `${process} holds ${count} ${what} in the end, and held ${before} at the beginning`);
    }
    if (end?.heapBytes !== undefined && heapBytes !== undefined && end.heapBytes > heapBytes * heapFactor)
      report("C13", `${process} has ${end.heapBytes} bytes of heap in the end, and had ${heapBytes} at the beginning`);
  }
}
