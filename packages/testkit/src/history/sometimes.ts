import type { HistoryRecord } from "./history.ts";

/** How often each interesting state was reached. */
export type Sometimes = Readonly<Record<string, number>>;

/**
 * C15: counts the interesting states of a history: its notes by what they say, and what its records show by themselves (`indeterminate`, `rejected`,
 * `published again`, `handed over again`, `resumed`, `taken over`, `gap`, `parked`, `side delivery`, `moved`, `routing cut`). Pure, in linear time.
 */
export function sometimes(records: readonly HistoryRecord[]): Sometimes {
  const counts = new Map<string, number>();
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  const published = new Set<string>();
  const consumers = new Map<string, { readonly reader: string; handedUpTo: bigint }>();
  const readers = new Map<string, string>();
  for (const record of records) {
    switch (record.kind) {
      case "note":
        count(record.what);
        break;
      case "publish":
        if (published.has(record.event)) count("published again");
        published.add(record.event);
        break;
      case "outcome":
        if (record.outcome !== "ok") count(record.outcome);
        break;
      case "opened": {
        const before = consumers.get(record.consumer);
        if (before !== undefined) count(before.reader === record.reader ? "resumed" : "taken over");
        consumers.set(record.consumer, { reader: record.reader, handedUpTo: before?.handedUpTo ?? 0n });
        readers.set(record.reader, record.consumer);
        break;
      }
      case "event": {
        const consumer = consumers.get(readers.get(record.reader) ?? "");
        if (consumer === undefined) break;
        if (record.offset <= consumer.handedUpTo) count("handed over again");
        else consumer.handedUpTo = record.offset;
        break;
      }
      case "gap":
      case "parked":
      case "moved":
        count(record.kind);
        break;
      case "side":
        count("side delivery");
        break;
      case "routing-cut":
        count("routing cut");
        break;
      case "log-opened":
      case "ack":
      case "acked":
      case "retried":
      case "side-ack":
      case "side-acked":
      case "resources":
      case "process-ended":
    }
  }
  return Object.fromEntries(counts);
}

/** Those of `required` that were never reached. Any at all: the run is not green, but invalid, for it did not test what it is for. */
export function neverReached(counts: Sometimes, required: readonly string[]): readonly string[] {
  return required.filter((what) => (counts[what] ?? 0) === 0);
}
