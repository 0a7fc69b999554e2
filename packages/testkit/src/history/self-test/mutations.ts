import type { Prng } from "../../simulation/prng.ts";
import type { HistoryRecord, Violation } from "../history.ts";
import { matchesTopic } from "../matches-topic.ts";
import type { OpenHistory } from "./green-history.ts";

type Of<K extends HistoryRecord["kind"]> = Extract<HistoryRecord, { kind: K }>;
type Log = OpenHistory["logs"][number];

/** A way to break any history in which all went well. */
export interface Mutation {
  readonly what: string;
  readonly rule: Violation["rule"];
  /** Breaks it at a place drawn from `random`. False when it has no such place. */
  readonly apply: (history: OpenHistory, random: Prng) => boolean;
}

const far = 1_000_000n;

/** Ways that are violations wherever they are applied. */
export const mutations: readonly Mutation[] = [
  onRecord("an event not handed over", "C5", "event", (record, records, at) => {
    return followed(records, at, record.reader) && sees(records, record.reader) ? [] : undefined;
  }),
  onRecord("an event handed over twice", "C5", "event", (record) => [record, record]),
  onRecord("an event handed over before the one before it", "C5", "event", (record, records, at) => {
    if (!followed(records, at, record.reader) || !sees(records, record.reader)) return undefined;
    return [{ ...record, offset: record.offset + 1n }, record];
  }),
  onRecord("other content handed over", "C6", "event", (record, records, _, { logs }) =>
    isStored(records, logs, record) ? [{ ...record, digest: "other" }] : undefined,
  ),
  onRecord("another event handed over", "C6", "event", (record, records, _, { logs }) =>
    isStored(records, logs, record) ? [{ ...record, event: "another" }] : undefined,
  ),
  onRecord("an event before its session", "C5", "event", (record) => [{ ...record, reader: "nobody" }]),
  onRecord("an event of another session", "C8", "event", (record) => [{ ...record, token: far }]),
  onRecord("an ack of what was not handed over", "C7", "ack", (record) => [{ ...record, offset: far }]),
  onRecord("saved what was never acked", "C7", "acked", (record, records, at) =>
    isNewest(records, at, record) ? [{ ...record, upTo: record.upTo + 5_000n }] : undefined,
  ),
  onRecord("a session that skips", "C7", "opened", (record, records, at) =>
    before(records, at, "opened", record.consumer) ? [{ ...record, afterOffset: record.afterOffset + 5_000n }] : undefined,
  ),
  onRecord("a token twice", "C8", "opened", (record, records, at) => {
    const earlier = before(records, at, "opened", record.consumer);
    return earlier === undefined ? undefined : [{ ...record, token: earlier.token }];
  }),
  onRecord("an attempt without outcome", "C2", "outcome", () => []),
  onRecord("an attempt with two outcomes", "C2", "outcome", (record) => [record, record]),
  onRecord("a gap that does not exist", "C12", "opened", (record) => [
    record,
    { kind: "gap", reader: record.reader, what: "missed", afterOffset: far },
  ]),
  onRecord("pruned offsets that are not", "C12", "opened", (record) => [
    record,
    { kind: "gap", reader: record.reader, what: "pruned", first: far, last: far },
  ]),
  onRecord("a side delivery that was never parked", "C5", "side", (record) => [{ ...record, offset: far }]),
  onRecord("a side delivery after it was settled", "C5", "side-acked", (record, records, at) => {
    const handed = records.slice(0, at).findLast((each) => each.kind === "side" && each.offset === record.offset);
    return handed?.kind === "side" ? [record, handed] : undefined;
  }),
  onRecord("a move after which nobody came", "C11", "opened", (record) => [
    record,
    { kind: "moved", consumer: record.consumer, token: far, afterOffset: 0n },
  ]),
  onRecord("a leak", "C13", "resources", (record) => (record.at === "end" ? [{ ...record, counts: { connections: 50 } }] : undefined)),
  onRecord("an end that nobody meant", "C14", "process-ended", (record) => [{ ...record, expected: false }]),
  onLog("an event stored twice", "C1", ({ events }, random) => {
    const row = random.pick(events);
    return row !== undefined && events.push({ ...row, offset: (events.at(-1)?.offset ?? 0n) + 1n }) > 0;
  }),
  onLog("an event that nobody published", "C2", ({ events }) => {
    return events.push({ offset: (events.at(-1)?.offset ?? 0n) + 1n, event: "nobody's", digest: "" }) > 0;
  }),
  onLog("a hole", "C3", ({ events }, random) => {
    return events.length > 2 && events.splice(1 + random.below(events.length - 2), 1).length > 0;
  }),
  onLog("an acked event lost at the end", "C2", (log, _, { records }) => {
    const last = log.events.at(-1);
    const since = records.findIndex((each) => each.kind === "log-opened" && each.log === log.log);
    if (log.gaps.length > 0 || !confirmed(records.slice(since), last?.event)) return false;
    return log.events.pop() !== undefined;
  }),
  onLog("two events of one publisher changed", "C4", (log, random, { records }) => {
    const at = random.below(log.events.length);
    const [a, b] = log.events.slice(at, at + 2);
    if (a === undefined || b === undefined || publisherOnce(records, a.event) !== publisherOnce(records, b.event)) return false;
    if (publisherOnce(records, a.event) === undefined) return false;
    log.events.splice(at, 2, { ...b, offset: a.offset }, { ...a, offset: b.offset });
    return true;
  }),
  onLog("content changed on its way into the log", "C6", ({ events }, random) => {
    const at = random.below(events.length);
    return events.splice(at, 1, ...events.slice(at, at + 1).map((row) => ({ ...row, digest: "other" }))).length > 0;
  }),
  onLog("a rejected event that is stored", "C2", ({ events }, random, { records }) => {
    const rejected = records.filter((each) => each.kind === "outcome" && each.outcome === "rejected") as readonly Of<"outcome">[];
    const one = random.pick(rejected);
    const made = records.find((each) => each.kind === "publish" && each.publisher === one?.publisher && each.attempt === one.attempt);
    if (made?.kind !== "publish" || publisherOnce(records, made.event) === undefined) return false;
    return events.push({ offset: (events.at(-1)?.offset ?? 0n) + 1n, event: made.event, digest: made.digest }) > 0;
  }),
  onLog("an event of a type that the log must not take", "C12", (log, random, { records }) => {
    const opened = records.find((each) => each.kind === "log-opened" && each.log === log.log);
    const wrong = records.filter(
      (each) =>
        each.kind === "publish" && opened?.kind === "log-opened" && !opened.patterns.some((pattern) => matchesTopic(pattern, each.type)),
    ) as readonly Of<"publish">[];
    const made = random.pick(wrong.filter(({ event }) => confirmed(records, event)));
    if (made === undefined) return false;
    return log.events.push({ offset: (log.events.at(-1)?.offset ?? 0n) + 1n, event: made.event, digest: made.digest }) > 0;
  }),
  onLog("an old writer", "C10", ({ commits }, random) => {
    const at = 1 + random.below(commits.length - 1);
    return commits.length > 1 && commits.splice(at, 1, ...commits.slice(at, at + 1).map((each) => ({ ...each, epoch: 0n }))).length > 0;
  }),
  onLog("commits that overlap", "C10", ({ commits }, random) => {
    const at = 1 + random.below(commits.length - 1);
    return (
      commits.length > 1 &&
      commits.splice(at, 1, ...commits.slice(at, at + 1).map((each) => ({ ...each, first: each.first - 1n }))).length > 0
    );
  }),
];

function onRecord<K extends HistoryRecord["kind"]>(
  what: string,
  rule: Violation["rule"],
  kind: K,
  to: (record: Of<K>, records: readonly HistoryRecord[], at: number, history: OpenHistory) => readonly HistoryRecord[] | undefined,
): Mutation {
  return {
    what,
    rule,
    apply(history, random) {
      const { records } = history;
      const places = [...records.keys()].filter((at) => records[at]?.kind === kind);
      const at = random.pick(places);
      const changed = at === undefined ? undefined : to(records[at] as Of<K>, records, at, history);
      if (at === undefined || changed === undefined) return false;
      records.splice(at, 1, ...changed);
      return true;
    },
  };
}

function onLog(what: string, rule: Violation["rule"], change: (log: Log, random: Prng, history: OpenHistory) => boolean): Mutation {
  return {
    what,
    rule,
    apply(history, random) {
      const log = random.pick(history.logs);
      return log !== undefined && log.events.length > 0 && change(log, random, history);
    },
  };
}

/** Whether the next that its reader has is the event after it. */
function followed(records: readonly HistoryRecord[], at: number, reader: string): boolean {
  const [here, next] = [records[at], records.slice(at + 1).find((each) => "reader" in each && each.reader === reader)];
  return here?.kind === "event" && next?.kind === "event" && next.offset === here.offset + 1n;
}

/** Whether a reader is told what is settled: what one that is not leaves out may be settled. */
function sees(records: readonly HistoryRecord[], reader: string): boolean {
  return records.some((each) => each.kind === "opened" && each.reader === reader && each.settled !== undefined);
}

/** Whether what was handed over can still be compared: it was not pruned since. */
function isStored(records: readonly HistoryRecord[], logs: OpenHistory["logs"], { reader, offset }: Of<"event">): boolean {
  const opened = records.find((each) => each.kind === "opened" && each.reader === reader);
  return logs.some(({ log, events }) => opened?.kind === "opened" && opened.log === log && events.some((row) => row.offset === offset));
}

/** The consumer's last session before a place, unless it was moved since. */
function before(records: readonly HistoryRecord[], at: number, kind: "opened", consumer: string): Of<"opened"> | undefined {
  const found = records.slice(0, at).findLast((each) => (each.kind === kind || each.kind === "moved") && each.consumer === consumer);
  return found?.kind === kind ? found : undefined;
}

/** Whether no newer session or move came before it was told. */
function isNewest(records: readonly HistoryRecord[], at: number, { token }: Of<"acked">): boolean {
  const opened = records.slice(0, at).find((each) => each.kind === "opened" && each.token === token);
  if (opened?.kind !== "opened") return false;
  const last = records
    .slice(0, at)
    .findLast((each) => (each.kind === "opened" || each.kind === "moved") && each.consumer === opened.consumer);
  return last === opened;
}

function confirmed(records: readonly HistoryRecord[], event: string | undefined): boolean {
  return records.some(
    (each) =>
      each.kind === "publish" &&
      each.event === event &&
      records.some(
        (end) => end.kind === "outcome" && end.publisher === each.publisher && end.attempt === each.attempt && end.outcome === "ok",
      ),
  );
}

/** Who published an event, if in one attempt. */
function publisherOnce(records: readonly HistoryRecord[], event: string): string | undefined {
  const made = records.filter((each) => each.kind === "publish" && each.event === event) as readonly Of<"publish">[];
  return made.length === 1 ? made[0]?.publisher : undefined;
}
