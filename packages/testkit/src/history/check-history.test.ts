import { describe, expect, test } from "vitest";
import { checkHistory } from "./check-history.ts";
import type { FinalLog, History, HistoryRecord } from "./history.ts";
import { greenHistory, type OpenHistory } from "./self-test/green-history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;

const rulesOf = (history: History): readonly string[] => [...new Set(checkHistory(history).map(({ rule }) => rule))];

describe("checkHistory()", () => {
  test("finds nothing in a history in which all went well", () => {
    expect(checkHistory(greenHistory())).toEqual([]);
    expect(checkHistory({ records: [], logs: [], complete: [] })).toEqual([]);
  });

  test("a declared gap excuses what is lost at its place, and nothing else", () => {
    const lose = (event: string): OpenHistory => {
      const history = greenHistory();
      const [log] = history.logs;
      const kept = (log?.events ?? [])
        .filter((each) => each.event !== event)
        .map((each, index) => ({ ...each, offset: BigInt(index + 1) }));
      history.records = history.records.filter(({ kind }) => kind === "publish" || kind === "outcome" || kind === "log-opened");
      history.complete = [];
      history.logs = [{ log: "all", events: kept, gaps: [{ what: "missed", afterOffset: 20n }], commits: [] }];
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
    const history = greenHistory();
    history.records = history.records.filter(
      (record) => record.kind === "publish" || record.kind === "outcome" || record.kind === "log-opened",
    );
    const [all] = history.logs;
    history.logs = [{ log: "all", events: (all?.events ?? []).slice(10), gaps: [{ what: "pruned", first: 1n, last: 10n }], commits: [] }];
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

  test("an event without outcome may be in one log alone when RabbitMQ was killed under it, and only then", () => {
    const [publish, outcome]: readonly HistoryRecord[] = [
      { kind: "publish", publisher: "p", attempt: 1, event: "x", type: "a", digest: "" },
      { kind: "outcome", publisher: "p", attempt: 1, outcome: "indeterminate" },
    ];
    const logs = [
      { log: "one", events: [{ offset: 1n, event: "x", digest: "" }], gaps: [] },
      { log: "two", events: [], gaps: [] },
    ];
    if (publish === undefined || outcome === undefined) throw new Error("unreachable");
    const cut: HistoryRecord = { kind: "routing-cut" };
    expect(checkHistory({ records: [publish, cut, outcome], logs, complete: [] })).toEqual([]);
    for (const records of [
      [publish, outcome],
      [cut, publish, outcome, cut],
    ])
      expect(rulesOf({ records, logs, complete: [] })).toEqual(["C12"]);
  });

  test("who is not told what is settled may be left out what was acked, and nothing else", () => {
    const events = ["x", "y", "z"].map((event, index) => ({ offset: BigInt(index + 1), event, digest: "" }));
    const opened = (reader: string, token: bigint): HistoryRecord => {
      return { kind: "opened", consumer: "c", log: "l", reader, token, afterOffset: 0n };
    };
    const handed = (reader: string, ...offsets: readonly number[]): readonly HistoryRecord[] =>
      events.filter(({ offset }) => offsets.includes(Number(offset))).map((event) => ({ kind: "event", reader, ...event }));
    const first = [opened("r1", 1n), ...handed("r1", 1, 2), { kind: "ack", reader: "r1", offset: 2n } as const, opened("r2", 2n)];
    const publishes = events.flatMap(({ event }, index): readonly HistoryRecord[] => [
      { kind: "publish", publisher: "p", attempt: index + 1, event, type: "a", digest: "" },
      { kind: "outcome", publisher: "p", attempt: index + 1, outcome: "ok" },
    ]);
    const rules = (...offsets: readonly number[]): readonly string[] =>
      rulesOf({ records: [...publishes, ...first, ...handed("r2", ...offsets)], logs: [{ log: "l", events, gaps: [] }], complete: [] });
    expect(rules(1, 3)).toEqual([]);
    expect(rules(1, 2, 3)).toEqual([]);
    expect(rules(2, 3)).toEqual(["C5"]);
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
