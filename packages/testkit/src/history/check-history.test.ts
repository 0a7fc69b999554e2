import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import type { FinalLog, History, HistoryRecord } from "./history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;

const count = 40;

/** Publisher `p` publishes e1 … e40; attempt 15 has no known outcome and is made again, attempt 30 is rejected. `cut` crashes and opens anew, `whole` is one program. */
function green(): {
  records: HistoryRecord[];
  logs: { log: string; events: FinalLog["events"][number][]; gaps: FinalLog["gaps"][number][] }[];
  complete: string[];
} {
  const records: HistoryRecord[] = [
    { kind: "log-opened", log: "all", patterns: ["a.#"] },
    { kind: "log-opened", log: "odd", patterns: ["a.odd"] },
  ];
  const stored: string[] = [];
  let attempt = 0;
  const publish = (n: number, outcome: Of<"outcome">["outcome"]): void => {
    attempt += 1;
    const type = n % 2 === 1 ? "a.odd" : "a.even";
    records.push({ kind: "publish", publisher: "p", attempt, event: `e${n}`, type, digest: `d${n}` });
    records.push({ kind: "outcome", publisher: "p", attempt, outcome });
    if (outcome !== "rejected" && !stored.includes(`e${n}`)) stored.push(`e${n}`);
  };
  for (let n = 1; n <= count; n += 1) {
    if (n === 15) publish(n, "indeterminate");
    publish(n, n === 30 ? "rejected" : "ok");
  }
  const row = (event: string, index: number) => ({ offset: BigInt(index + 1), event, digest: event.replace("e", "d") });
  const all = stored.map(row);
  const odd = stored.filter((event) => Number(event.slice(1)) % 2 === 1).map(row);
  const read = (reader: string, log: typeof all, first: number, last: number): void => {
    for (const event of log.slice(first - 1, last)) records.push({ kind: "event", reader, ...event });
  };
  const ack = (reader: string, first: number, last: number): void => {
    for (let offset = first; offset <= last; offset += 1) records.push({ kind: "ack", reader, offset: BigInt(offset) });
  };
  const open = (
    consumer: string,
    log: string,
    reader: string,
    token: bigint,
    afterOffset: bigint,
    settled: Of<"opened">["settled"] = [],
  ): void => {
    records.push({ kind: "opened", consumer, log, reader, token, afterOffset, settled });
  };
  // One program over two sessions: it is handed each event once.
  open("whole", "odd", "w", 1n, 0n);
  read("w", odd, 1, 8);
  ack("w", 1, 8);
  records.push({ kind: "acked", reader: "w", token: 1n, upTo: 4n, ranges: [] });
  open("whole", "odd", "w", 4n, 6n);
  read("w", odd, 9, odd.length);
  ack("w", 9, odd.length);
  // Three programs: the second begins above what was saved, the third after a range that was settled.
  open("cut", "all", "c1", 2n, 0n);
  read("c1", all, 1, 10);
  ack("c1", 1, 6);
  records.push({ kind: "acked", reader: "c1", token: 2n, upTo: 5n, ranges: [] });
  open("cut", "all", "c2", 3n, 5n);
  read("c2", all, 6, 20);
  ack("c2", 7, 9);
  ack("c2", 12, 14);
  records.push({ kind: "acked", reader: "c2", token: 3n, upTo: 9n, ranges: [{ first: 12n, last: 14n }] });
  open("cut", "all", "c3", 5n, 9n, [{ first: 12n, last: 14n }]);
  read("c3", all, 10, 11);
  read("c3", all, 15, all.length);
  return {
    records,
    logs: [
      { log: "all", events: all, gaps: [] },
      { log: "odd", events: odd, gaps: [] },
    ],
    complete: ["whole", "cut"],
  };
}

type Green = ReturnType<typeof green>;
const rulesOf = (history: History): readonly string[] => [...new Set(checkHistory(history).map(({ rule }) => rule))];

/** Replaces the `nth` record (from 1) of a kind that fits. */
function change<K extends HistoryRecord["kind"]>(
  history: Green,
  kind: K,
  fits: (record: Of<K>) => boolean,
  to: (record: Of<K>) => readonly HistoryRecord[],
): void {
  const at = history.records.findIndex((record) => record.kind === kind && fits(record as Of<K>));
  expect(at).toBeGreaterThanOrEqual(0);
  history.records.splice(at, 1, ...to(history.records[at] as Of<K>));
}

const handed = (reader: string, offset: bigint) => (record: Of<"event">) => record.reader === reader && record.offset === offset;
const opened = (reader: string, token: bigint) => (record: Of<"opened">) => record.reader === reader && record.token === token;

describe("checkHistory()", () => {
  test("finds nothing in a history in which all went well", () => {
    expect(checkHistory(green())).toEqual([]);
    expect(checkHistory({ records: [], logs: [], complete: [] })).toEqual([]);
  });

  const anomalies: readonly (readonly [string, string, (history: Green) => void])[] = [
    ["an event stored twice", "C1", ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e3", digest: "d3" })],
    ["an event lost at the end", "C2", ({ logs }) => void logs[0]?.events.pop()],
    [
      "an event that was rejected, and is stored",
      "C2",
      ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e30", digest: "d30" }),
    ],
    [
      "an event that nobody published",
      "C2",
      ({ logs }) => void logs[0]?.events.push({ offset: BigInt(count), event: "e99", digest: "d99" }),
    ],
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
      (history) =>
        change(history, "event", handed("c3", 15n), (record) => [{ ...record, offset: 14n, event: "e14", digest: "d14" }, record]),
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
    ["the last events never handed over", "C11", ({ records }) => void records.splice(-3)],
    ["a consumer that never opened", "C11", ({ complete }) => void complete.push("nobody")],
    ["a gap that is not true", "C12", ({ records }) => void records.push({ kind: "gap", reader: "c3", what: "missed", afterOffset: 9n })],
    [
      "a removed range that is not true",
      "C12",
      ({ records }) => void records.push({ kind: "gap", reader: "c3", what: "pruned", first: 1n, last: 2n }),
    ],
    ["a gap that was not told", "C12", ({ logs }) => void logs[0]?.gaps.push({ what: "missed", afterOffset: 9n })],
    ["an event in a log that must not take it", "C12", ({ logs }) => void logs[1]?.events.push({ offset: 21n, event: "e2", digest: "d2" })],
  ];
  test.each(anomalies)("finds %s (%s)", (_, rule, plant) => {
    const history = green();
    plant(history);
    expect(rulesOf(history)).toContain(rule);
  });

  test("a declared gap excuses what is lost at its place, and nothing else", () => {
    const lose = (event: string): Green => {
      const history = green();
      const [log] = history.logs;
      const kept = (log?.events ?? [])
        .filter((each) => each.event !== event)
        .map((each, index) => ({ ...each, offset: BigInt(index + 1) }));
      history.records = history.records.filter(({ kind }) => kind === "publish" || kind === "outcome" || kind === "log-opened");
      history.complete = [];
      history.logs = [{ log: "all", events: kept, gaps: [{ what: "missed", afterOffset: 20n }] }];
      return history;
    };
    expect(checkHistory(lose("e21"))).toEqual([]);
    expect(rulesOf(lose("e20"))).toEqual(["C2"]);
    expect(rulesOf(lose("e22"))).toEqual(["C2"]);
    // Nothing after it: it may lie at the gap's place.
    const last = lose("e40");
    expect(rulesOf(last)).toEqual(["C2"]);
    last.logs[0]?.gaps.push({ what: "missed", afterOffset: 38n });
    expect(checkHistory(last)).toEqual([]);
  });

  test("a removed range is skipped by who was told of it, and excuses the events in it", () => {
    const history = green();
    history.records = history.records.filter(
      (record) => record.kind === "publish" || record.kind === "outcome" || record.kind === "log-opened",
    );
    const [all] = history.logs;
    history.logs = [{ log: "all", events: (all?.events ?? []).slice(10), gaps: [{ what: "pruned", first: 1n, last: 10n }] }];
    history.complete = ["late"];
    const opening: HistoryRecord = { kind: "opened", consumer: "late", log: "all", reader: "r", token: 1n, afterOffset: 0n, settled: [] };
    const events: HistoryRecord[] = (all?.events ?? []).slice(10).map((event) => ({ kind: "event", reader: "r", ...event }));
    const told: HistoryRecord = { kind: "gap", reader: "r", what: "pruned", first: 1n, last: 10n };
    expect(checkHistory({ ...history, records: [...history.records, opening, told, ...events] })).toEqual([]);
    expect(rulesOf({ ...history, records: [...history.records, opening, ...events] })).toEqual(["C5"]);
  });

  test("of two attempts the one that keeps the order counts; of two publishers neither", () => {
    const publish = (publisher: string, attempt: number, event: string, outcome: Of<"outcome">["outcome"]): HistoryRecord[] => [
      { kind: "publish", publisher, attempt, event, type: "a", digest: "" },
      { kind: "outcome", publisher, attempt, outcome },
    ];
    const log = (...events: string[]): History["logs"] => [
      { log: "l", events: events.map((event, index) => ({ offset: BigInt(index + 1), event, digest: "" })), gaps: [] },
    ];
    const records = [...publish("p", 1, "x", "indeterminate"), ...publish("p", 2, "y", "ok"), ...publish("p", 3, "x", "ok")];
    for (const order of [
      ["x", "y"],
      ["y", "x"],
    ])
      expect(checkHistory({ records, logs: log(...order), complete: [] })).toEqual([]);
    const shared = [...publish("p", 1, "x", "ok"), ...publish("p", 2, "y", "ok"), ...publish("q", 1, "x", "ok")];
    expect(checkHistory({ records: shared, logs: log("y", "x"), complete: [] })).toEqual([]);
  });

  test("an order of a hundred thousand events is judged in the time of reading it", () => {
    const records: HistoryRecord[] = [{ kind: "opened", consumer: "c", log: "l", reader: "r", token: 1n, afterOffset: 0n, settled: [] }];
    const events: FinalLog["events"][number][] = [];
    for (let n = 1; n <= 100_000; n += 1) {
      const event = { offset: BigInt(n), event: `e${n}`, digest: "" };
      events.push(event);
      records.push({ kind: "publish", publisher: "p", attempt: n, event: event.event, type: "a", digest: "" });
      records.push({ kind: "outcome", publisher: "p", attempt: n, outcome: "ok" });
      records.push({ kind: "event", reader: "r", ...event });
    }
    expect(checkHistory({ records, logs: [{ log: "l", events, gaps: [] }], complete: ["c"] })).toEqual([]);
  });
});

function swap(events: FinalLog["events"][number][], one: number, two: number): void {
  const [a, b] = [events[one], events[two]];
  if (a === undefined || b === undefined) throw new Error("nothing to swap");
  events[one] = { ...b, offset: a.offset };
  events[two] = { ...a, offset: b.offset };
}
