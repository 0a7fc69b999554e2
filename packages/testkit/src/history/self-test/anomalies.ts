import type { FinalLog, HistoryRecord, Violation } from "../history.ts";
import { count, type OpenHistory } from "./green-history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;

/** A history that broke a promise. */
export interface Anomaly {
  readonly what: string;
  /** The rule that finds it; others may too. */
  readonly rule: Violation["rule"];
  /** Plants it in `greenHistory()`. */
  readonly plant: (history: OpenHistory) => void;
}

/** Replaces the first record of a kind that fits. */
function change<K extends HistoryRecord["kind"]>(
  history: OpenHistory,
  kind: K,
  fits: (record: Of<K>) => boolean,
  to: (record: Of<K>) => readonly HistoryRecord[],
): void {
  const at = history.records.findIndex((record) => record.kind === kind && fits(record as Of<K>));
  if (at < 0) throw new Error(`nothing to change: ${kind}`);
  history.records.splice(at, 1, ...to(history.records[at] as Of<K>));
}

const handed = (reader: string, offset: bigint) => (record: Of<"event">) => record.reader === reader && record.offset === offset;
const handedTo = (reader: string) => (record: HistoryRecord) => record.kind === "event" && record.reader === reader;
const opened = (reader: string, token: bigint) => (record: Of<"opened">) => record.reader === reader && record.token === token;

function swap(events: FinalLog["events"][number][], one: number, two: number): void {
  const [a, b] = [events[one], events[two]];
  if (a === undefined || b === undefined) throw new Error("nothing to swap");
  events[one] = { ...b, offset: a.offset };
  events[two] = { ...a, offset: b.offset };
}

const table: readonly (readonly [string, Violation["rule"], Anomaly["plant"]])[] = [
  ["an event stored twice", "C1", ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e3", digest: "d3" })],
  ["an event lost at the end", "C2", ({ logs }) => void logs[0]?.events.pop()],
  [
    "an event that was rejected, and is stored",
    "C2",
    ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e30", digest: "d30" }),
  ],
  ["an event that nobody published", "C2", ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e99", digest: "d99" })],
  [
    "an attempt without an outcome",
    "C2",
    (history) =>
      change(
        history,
        "outcome",
        ({ attempt }) => attempt === 7,
        () => [],
      ),
  ],
  [
    "an attempt with two outcomes",
    "C2",
    (history) =>
      change(
        history,
        "outcome",
        ({ attempt }) => attempt === 7,
        (record) => [record, record],
      ),
  ],
  ["a hole in a log", "C3", ({ logs }) => void logs[0]?.events.splice(11, 1)],
  ["two offsets changed", "C4", ({ logs }) => swap(logs[0]?.events ?? [], 4, 5)],
  [
    "an event stored where only a rejected attempt fits",
    "C4",
    (history) =>
      change(
        history,
        "outcome",
        ({ attempt }) => attempt === 16,
        (record) => {
          swap(history.logs[0]?.events ?? [], 14, 15);
          return [{ ...record, outcome: "rejected" }];
        },
      ),
  ],
  ["an event not handed over", "C5", (history) => change(history, "event", handed("c2", 12n), () => [])],
  ["an event handed over twice", "C5", (history) => change(history, "event", handed("w", 3n), (record) => [record, record])],
  [
    "two events handed over in the wrong order",
    "C5",
    (history) => {
      change(history, "event", handed("c1", 4n), () => []);
      change(history, "event", handed("c1", 5n), (record) => [record, { ...record, offset: 4n, event: "e4", digest: "d4" }]);
    },
  ],
  [
    "an event handed over again by the same program",
    "C5",
    (history) => change(history, "event", handed("w", 9n), (record) => [{ ...record, offset: 7n, event: "e13", digest: "d13" }, record]),
  ],
  [
    "a settled event handed over",
    "C5",
    (history) => change(history, "event", handed("c3", 15n), (record) => [{ ...record, offset: 14n, event: "e14", digest: "d14" }, record]),
  ],
  [
    "an event before its session",
    "C5",
    (history) => void history.records.unshift({ kind: "event", reader: "w", offset: 1n, event: "e1", digest: "d1" }),
  ],
  [
    "another event than the log has",
    "C6",
    (history) => change(history, "event", handed("c1", 4n), (record) => [{ ...record, event: "e5" }]),
  ],
  [
    "other content than the log has",
    "C6",
    (history) => change(history, "event", handed("c1", 4n), (record) => [{ ...record, digest: "other" }]),
  ],
  [
    "an event that is not stored",
    "C6",
    ({ records }) => void records.push({ kind: "event", reader: "c3", offset: BigInt(count), event: "e40", digest: "d40" }),
  ],
  [
    "content that was changed on its way into the log",
    "C6",
    ({ logs }) => void logs[1]?.events.splice(0, 1, { offset: 1n, event: "e1", digest: "other" }),
  ],
  [
    "a session that begins above what was acked",
    "C7",
    (history) => change(history, "opened", opened("c2", 3n), (record) => [{ ...record, afterOffset: 7n }]),
  ],
  [
    "a settled range that was never acked",
    "C7",
    (history) => change(history, "opened", opened("c2", 3n), (record) => [{ ...record, settled: [{ first: 8n, last: 8n }] }]),
  ],
  [
    "a session that begins below what was saved",
    "C7",
    (history) => change(history, "opened", opened("c2", 3n), (record) => [{ ...record, afterOffset: 4n }]),
  ],
  [
    "a saved range that is forgotten",
    "C7",
    (history) => change(history, "opened", opened("c3", 5n), (record) => [{ ...record, settled: [{ first: 12n, last: 13n }] }]),
  ],
  [
    "saved, but never acked",
    "C7",
    (history) =>
      change(
        history,
        "acked",
        ({ token }) => token === 2n,
        (record) => [{ ...record, upTo: 7n }],
      ),
  ],
  [
    "saved, and then less",
    "C7",
    (history) =>
      change(
        history,
        "acked",
        ({ token }) => token === 3n,
        (record) => [record, { ...record, upTo: 8n }],
      ),
  ],
  ["two sessions with one token", "C8", (history) => change(history, "opened", opened("c2", 3n), (record) => [{ ...record, token: 2n }])],
  ["a token that went back", "C8", (history) => change(history, "opened", opened("w", 4n), (record) => [{ ...record, token: 0n }])],
  [
    "an ack of an older session that was saved",
    "C8",
    (history) =>
      change(history, "opened", opened("c2", 3n), (record) => [record, { kind: "acked", reader: "c1", token: 2n, upTo: 6n, ranges: [] }]),
  ],
  ["an event of an older session", "C8", (history) => change(history, "event", handed("w", 9n), (record) => [{ ...record, token: 1n }])],
  ["the last events never handed over", "C11", ({ records }) => void records.splice(records.findLastIndex(handedTo("c3")) - 2, 3)],
  ["a consumer that never opened", "C11", ({ complete }) => void complete.push("nobody")],
  ["a gap that is not true", "C12", ({ records }) => void records.push({ kind: "gap", reader: "c3", what: "missed", afterOffset: 9n })],
  [
    "a removed range that is not true",
    "C12",
    ({ records }) => void records.push({ kind: "gap", reader: "c3", what: "pruned", first: 1n, last: 2n }),
  ],
  ["a gap that was not told", "C12", ({ logs }) => void logs[0]?.gaps.push({ what: "missed", afterOffset: 9n })],
  ["an event in a log that must not take it", "C12", ({ logs }) => void logs[1]?.events.push({ offset: 21n, event: "e2", digest: "d2" })],
  ["a writer that wrote after its successor", "C10", ({ logs }) => commit(logs, 2, { epoch: 1n })],
  ["two commits for one offset", "C10", ({ logs }) => commit(logs, 1, { first: 13n })],
  ["a commit whose events are not there", "C10", ({ logs }) => commit(logs, 2, { last: 41n })],
  [
    "an event without outcome that one log has, and the other not",
    "C12",
    (history) => {
      for (const [at, record] of history.records.entries())
        if (record.kind === "outcome" && record.attempt === 40) history.records[at] = { ...record, outcome: "indeterminate" };
      history.logs[1]?.events.pop();
    },
  ],
  ["an event acked that was never handed over", "C7", ({ records }) => void records.push({ kind: "ack", reader: "m", offset: 30n })],
  [
    "a side delivery that was never parked",
    "C5",
    (history) =>
      change(
        history,
        "parked",
        () => true,
        () => [],
      ),
  ],
  [
    "a side delivery that nobody asked for",
    "C5",
    (history) =>
      change(
        history,
        "retried",
        () => true,
        () => [],
      ),
  ],
  [
    "a side delivery after it was settled",
    "C5",
    (history) =>
      change(
        history,
        "side-acked",
        () => true,
        (record) => [record, { ...side(history), reader: "m" }],
      ),
  ],
  [
    "a side delivery of something else",
    "C6",
    (history) =>
      change(
        history,
        "side",
        () => true,
        (record) => [{ ...record, event: "e7" }],
      ),
  ],
  [
    "a side delivery that is acked before it is handed over",
    "C7",
    (history) =>
      change(
        history,
        "side",
        () => true,
        () => [],
      ),
  ],
  [
    "a side delivery told to be settled that was never acked",
    "C7",
    (history) =>
      change(
        history,
        "side-ack",
        () => true,
        () => [],
      ),
  ],
  [
    "a retried event that never came",
    "C11",
    ({ records }) =>
      void records.splice(
        records.findIndex(({ kind }) => kind === "side"),
        3,
      ),
  ],
  [
    "a parked event that comes again although it was settled",
    "C5",
    (history) => change(history, "opened", opened("m", 8n), (record) => [{ ...record, settled: [{ first: 11n, last: 11n }] }]),
  ],
  [
    "a session that begins where nobody moved it",
    "C7",
    (history) =>
      change(
        history,
        "moved",
        () => true,
        () => [],
      ),
  ],
  [
    "a session that begins above the place it was moved to",
    "C7",
    (history) => change(history, "opened", opened("m", 8n), (record) => [{ ...record, afterOffset: 11n }]),
  ],
  [
    "a move after which the consumer never came",
    "C11",
    ({ records }) => void records.push({ kind: "moved", consumer: "mover", token: 9n, afterOffset: 0n }),
  ],
  [
    "connections that leak",
    "C13",
    (history) =>
      change(
        history,
        "resources",
        ({ at }) => at === "end",
        (record) => [{ ...record, counts: { connections: 16 } }],
      ),
  ],
  [
    "a heap that grows",
    "C13",
    (history) =>
      change(
        history,
        "resources",
        ({ at }) => at === "end",
        (record) => [{ ...record, heapBytes: 1_400_000 }],
      ),
  ],
  [
    "resources that nobody looked at",
    "C13",
    (history) =>
      change(
        history,
        "resources",
        ({ at }) => at === "end",
        () => [],
      ),
  ],
  [
    "a process that ended by itself",
    "C14",
    (history) =>
      change(
        history,
        "process-ended",
        () => true,
        (record) => [{ ...record, expected: false }],
      ),
  ],
];

/** Every one of them must be found. */
export const anomalies: readonly Anomaly[] = table.map(([what, rule, plant]) => ({ what, rule, plant }));

function commit(logs: OpenHistory["logs"], at: number, changed: Partial<OpenHistory["logs"][number]["commits"][number]>): void {
  const commits = logs[0]?.commits ?? [];
  commits.splice(at, 1, ...commits.slice(at, at + 1).map((each) => ({ ...each, ...changed })));
}

function side({ records }: OpenHistory): Of<"side"> {
  const record = records.find((each) => each.kind === "side");
  if (record === undefined) throw new Error("no side delivery");
  return record;
}
