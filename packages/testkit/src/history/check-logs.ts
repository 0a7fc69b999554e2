import type { FinalLog, History, HistoryGap, HistoryRecord, Violation } from "./history.ts";
import { matchesTopic } from "./matches-topic.ts";

/** One try to publish an event, and its outcome. */
interface Attempt {
  readonly publisher: string;
  readonly number: number;
  readonly event: string;
  readonly type: string;
  readonly digest: string;
  /** Place in the history. */
  readonly at: number;
  outcome: Extract<HistoryRecord, { kind: "outcome" }>["outcome"] | undefined;
  /** RabbitMQ was killed meanwhile. */
  cut: boolean;
}

type Report = (rule: Violation["rule"], text: string) => void;

/** C1 to C4, C10, and the half of C12 that concerns the log: what was published against what the logs hold. */
export function checkLogs(history: History, report: Report): void {
  const attempts = collectAttempts(history.records, report);
  const byEvent = Map.groupBy(attempts, ({ event }) => event);
  const opened = new Map<string, { readonly at: number; readonly patterns: readonly string[] }>();
  for (const [at, record] of history.records.entries()) {
    if (record.kind === "log-opened" && !opened.has(record.log)) opened.set(record.log, { at, patterns: record.patterns });
  }
  const anywhere = new Set(history.logs.flatMap(({ events }) => events.map(({ event }) => event)));
  for (const log of history.logs) {
    checkDense(log, report);
    checkCommits(log, report);
    const { at, patterns } = opened.get(log.log) ?? { at: 0, patterns: ["#"] };
    const takes = (type: string): boolean => patterns.some((pattern) => matchesTopic(pattern, type));
    checkContent(log, byEvent, takes, report);
    const places = checkOrder(log, byEvent, report);
    const stored = new Set(log.events.map(({ event }) => event));
    const gaps = { missed: log.gaps.filter(({ what }) => what === "missed"), pruned: log.gaps.filter(({ what }) => what === "pruned") };
    for (const [event, tries] of byEvent) {
      if (stored.has(event) || !takes(tries[0]?.type ?? "")) continue;
      const lies = (what: HistoryGap["what"], { number, publisher }: Attempt): boolean =>
        mayLieIn(gaps[what], number, places.get(publisher) ?? []);
      // Stored by any of its attempts and removed: a later one was a repeat.
      if (tries.some((attempt) => attempt.outcome !== "rejected" && attempt.at >= at && lies("pruned", attempt))) continue;
      const excused = (attempt: Attempt): boolean => lies("missed", attempt);
      const lost = tries.find((attempt) => attempt.outcome === "ok" && attempt.at >= at && !excused(attempt));
      if (lost !== undefined) report("C2", `${event}, which ${lost.publisher} published with outcome ok, is not in log ${log.log}`);
      else if (
        anywhere.has(event) &&
        tries.every((attempt) => attempt.outcome !== "ok" && attempt.at >= at && !attempt.cut && !excused(attempt))
      )
        report("C12", `${event} is in another log, and not in log ${log.log}, which takes its type ${tries[0]?.type ?? ""}`);
    }
  }
}

/** C10: commits follow each other without overlap or hole, and no writer wrote after its successor. */
function checkCommits({ log, events, commits = [] }: FinalLog, report: Report): void {
  for (const [index, { first, last, epoch }] of commits.entries()) {
    const what = `log ${log} has a commit of epoch ${epoch} for offsets ${first} to ${last}`;
    const before = commits[index - 1];
    if (last < first) report("C10", what);
    if (before === undefined) continue;
    if (first !== before.last + 1n) report("C10", `${what} after one that ended at ${before.last}`);
    if (epoch < before.epoch) report("C10", `${what} after one of epoch ${before.epoch}`);
  }
  const [first, last] = [commits[0]?.first, commits.at(-1)?.last];
  if (first !== undefined && (first !== events[0]?.offset || last !== events.at(-1)?.offset))
    report("C10", `log ${log} has commits for offsets ${first} to ${last}, and events ${events[0]?.offset} to ${events.at(-1)?.offset}`);
}

function collectAttempts(records: readonly HistoryRecord[], report: Report): readonly Attempt[] {
  const attempts = new Map<string, Attempt>();
  const open = new Set<Attempt>();
  for (const [at, record] of records.entries()) {
    if (record.kind === "routing-cut") {
      for (const attempt of open) attempt.cut = true;
    } else if (record.kind === "publish") {
      const { publisher, attempt, event, type, digest } = record;
      const made: Attempt = { publisher, number: attempt, event, type, digest, at, outcome: undefined, cut: false };
      attempts.set(`${publisher} ${attempt}`, made);
      open.add(made);
    } else if (record.kind === "outcome") {
      const attempt = attempts.get(`${record.publisher} ${record.attempt}`);
      if (attempt === undefined)
        report("C2", `${record.publisher} was told an outcome of attempt ${record.attempt}, which it did not make`);
      else if (attempt.outcome !== undefined) report("C2", `attempt ${record.attempt} of ${record.publisher} had two outcomes`);
      else {
        attempt.outcome = record.outcome;
        open.delete(attempt);
      }
    }
  }
  const all = [...attempts.values()];
  for (const { outcome, publisher, number, event } of all) {
    if (outcome === undefined) report("C2", `attempt ${number} of ${publisher} to publish ${event} had no outcome`);
  }
  return all;
}

/** C1: an event is stored once. C3: offsets have no hole, but for what was removed at the beginning. */
function checkDense({ log, events, gaps }: FinalLog, report: Report): void {
  const offsets = new Map<string, bigint>();
  let expected = 1n;
  for (const gap of gaps) if (gap.what === "pruned" && gap.last >= expected) expected = gap.last + 1n;
  for (const { offset, event } of events) {
    const before = offsets.get(event);
    if (before !== undefined) report("C1", `log ${log} holds ${event} at offset ${before} and at ${offset}`);
    offsets.set(event, offset);
    if (offset !== expected) report("C3", `log ${log} has offset ${offset} where ${expected} must be`);
    expected = offset + 1n;
  }
}

/** C2 and C12: nothing is in a log that was not published, that was rejected, that it must not take, or with other content. */
function checkContent(
  { log, events }: FinalLog,
  byEvent: ReadonlyMap<string, readonly Attempt[]>,
  takes: (type: string) => boolean,
  report: Report,
): void {
  for (const { offset, event, digest } of events) {
    const attempts = byEvent.get(event) ?? [];
    const [first] = attempts;
    const where = `log ${log} holds ${event} at offset ${offset}`;
    if (first === undefined) report("C2", `${where}, which nobody published`);
    else if (attempts.every(({ outcome }) => outcome === "rejected")) report("C2", `${where}, which was rejected`);
    else if (!attempts.some((attempt) => attempt.digest === digest)) report("C6", `${where} with other content than was published`);
    else if (!takes(first.type)) report("C12", `${where}, whose type ${first.type} it must not take`);
  }
}

/** The place of a publisher's attempt in a log. */
interface Place {
  /** The earliest attempt that may have stored it, and the last one. */
  readonly number: number;
  readonly last: number;
  readonly offset: bigint;
}

/**
 * C4: events of a publisher lie in the order in which it published them. An event that was published again may have been stored by any of its attempts, so each is
 * given the earliest that keeps the order; when there is none, order was lost. Returns where each publisher's attempts are.
 */
function checkOrder(
  { log, events }: FinalLog,
  byEvent: ReadonlyMap<string, readonly Attempt[]>,
  report: Report,
): ReadonlyMap<string, readonly Place[]> {
  const places = new Map<string, Place[]>();
  for (const { offset, event } of events) {
    const attempts = (byEvent.get(event) ?? []).filter(({ outcome }) => outcome !== "rejected");
    const [first] = attempts;
    // Published by several: which of them stored it is not known.
    if (first === undefined || attempts.some(({ publisher }) => publisher !== first.publisher)) continue;
    const before = places.get(first.publisher) ?? [];
    places.set(first.publisher, before);
    const last = before.at(-1);
    const fits = attempts.find(({ number }) => number > (last?.number ?? 0));
    if (fits !== undefined) before.push({ number: fits.number, last: attempts.at(-1)?.number ?? fits.number, offset });
    else
      report(
        "C4",
        `log ${log} holds ${event} of ${first.publisher} at offset ${offset}, after what was published later (offset ${last?.offset ?? 0n})`,
      );
  }
  return places;
}

/** Whether one of the gaps lies where the attempt would have been: between what its publisher published before and after it. */
function mayLieIn(gaps: readonly HistoryGap[], number: number, places: readonly Place[]): boolean {
  let [low, high] = [0, places.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((places[middle]?.number ?? 0) < number) low = middle + 1;
    else high = middle;
  }
  const after = places[low]?.offset;
  // Which attempt stored an event that was published again is not known: perhaps one that came later.
  while ((places[low - 1]?.last ?? 0) > number) low -= 1;
  const before = places[low - 1]?.offset ?? 0n;
  return gaps.some((gap) =>
    gap.what === "missed"
      ? before <= gap.afterOffset && (after === undefined || gap.afterOffset < after)
      : before < gap.last && (after === undefined || gap.first < after),
  );
}
