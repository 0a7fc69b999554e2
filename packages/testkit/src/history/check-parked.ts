import type { FinalLog, History, HistoryRecord, Violation } from "./history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;
type Report = (rule: Violation["rule"], text: string) => void;

/** A parked event of a consumer. */
interface Parked {
  readonly offset: bigint;
  retried: boolean;
  handed: boolean;
  done: boolean;
  settled: boolean;
}

/** C5, C6, C7 and C11 of parked events: side deliveries against what was parked, retried and settled. */
export function checkParked({ records, logs, complete }: History, report: Report): void {
  const readers = new Map<string, Of<"opened">>();
  const parked = new Map<string, Map<bigint, Parked>>();
  const stored = new Map(logs.map((log) => [log.log, new Map(log.events.map((row) => [row.offset, row]))]));
  const find = (consumer: string, offset: bigint): Parked | undefined => parked.get(consumer)?.get(offset);
  const consumerOf = (reader: string): string => readers.get(reader)?.consumer ?? reader;

  // Parked again: whether that was saved is not known, so it may come once more without being asked for.
  function park(consumer: string, offset: bigint): void {
    const of = parked.get(consumer) ?? new Map<bigint, Parked>();
    parked.set(consumer, of);
    if (!of.has(offset)) of.set(offset, { offset, retried: false, handed: false, done: false, settled: false });
  }

  function side({ reader, offset, event, digest }: Of<"side">): void {
    const what = `${consumerOf(reader)} (reader ${reader}) was handed offset ${offset} off the line`;
    const row = find(consumerOf(reader), offset);
    if (row === undefined) report("C5", `${what}, which it never parked`);
    else if (!row.retried) report("C5", `${what}, which nobody had retried`);
    else if (row.settled) report("C5", `${what} after it was told to be settled`);
    if (row !== undefined) row.handed = true;
    checkContent(logs, stored, readers.get(reader)?.log ?? "", { what, offset, event, digest }, report);
  }

  for (const record of records) {
    if (record.kind === "opened") readers.set(record.reader, record);
    else if (record.kind === "parked") park(consumerOf(record.reader), record.offset);
    else if (record.kind === "retried") {
      const row = find(record.consumer, record.offset);
      if (row !== undefined) row.retried = true;
    } else if (record.kind === "side") side(record);
    else if (record.kind === "side-ack") {
      const row = find(consumerOf(record.reader), record.offset);
      if (row?.handed === true) row.done = true;
      else report("C7", `${consumerOf(record.reader)} acked offset ${record.offset} off the line before it was handed over there`);
    } else if (record.kind === "side-acked") {
      const row = find(consumerOf(record.reader), record.offset);
      if (row?.done === true) row.settled = true;
      else report("C7", `${consumerOf(record.reader)} was told that offset ${record.offset} off the line is settled; it was never acked`);
    }
  }
  for (const consumer of complete) {
    for (const { offset, retried, handed } of parked.get(consumer)?.values() ?? []) {
      if (retried && !handed) report("C11", `${consumer} was never handed parked offset ${offset}, which somebody had retried`);
    }
  }
}

/** C6. A parked event outlives its place in the log: what was pruned cannot be compared. */
function checkContent(
  logs: readonly FinalLog[],
  stored: ReadonlyMap<string, ReadonlyMap<bigint, FinalLog["events"][number]>>,
  log: string,
  { what, offset, event, digest }: Pick<Of<"side">, "offset" | "event" | "digest"> & { readonly what: string },
  report: Report,
): void {
  const row = stored.get(log)?.get(offset);
  const gaps = logs.find((each) => each.log === log)?.gaps ?? [];
  if (row === undefined) {
    if (!gaps.some((gap) => gap.what === "pruned" && gap.first <= offset && offset <= gap.last))
      report("C6", `${what} (${event}), which is not in log ${log}`);
  } else if (row.event !== event || row.digest !== digest)
    report("C6", `${what} as ${event}; log ${log} has ${row.event} there, or other content`);
}
