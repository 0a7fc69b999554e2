import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkHistory } from "../history/check-history.ts";
import type { History, HistoryRecord } from "../history/history.ts";
import { neverReached, sometimes, type Sometimes } from "../history/sometimes.ts";
import { countTold } from "./count-told.ts";
import type { Fault } from "./fault.ts";
import { allFaults } from "./faults/all-faults.ts";
import { injectFaults } from "./inject.ts";
import { bigintToText, readJournals, type JournalLine } from "./journal.ts";
import { quiesce } from "./quiesce.ts";
import { countQuarantined, readArchive, readLog } from "./read-logs.ts";
import { recordResources } from "./resources.ts";
import { planFaults } from "./schedule.ts";
import { startChaosSystem, until, type ChaosSystem } from "./system.ts";
import { watchMetrics } from "./watch-metrics.ts";
import { logs, startWorkload, type Workload } from "./workload.ts";

/** What to run. */
export interface ChaosOptions {
  readonly seed: number;
  /** Length of the part in which faults are injected; start, healing and judging come on top. */
  readonly seconds: number;
  readonly faults: readonly Fault[];
  /** A new folder for histories and logs of the apps. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** What became of a run. */
export interface ChaosVerdict {
  readonly seed: number;
  /** Events published with outcome ok. */
  readonly published: number;
  /** Events that an application acked and was told to be saved, over all consumers; each counts once for each consumer. */
  readonly acked: number;
  /** How many were injected. */
  readonly faults: number;
  readonly kinds: readonly string[];
  readonly violations: readonly string[];
  /** How often each interesting state was reached. */
  readonly sometimes: Sometimes;
  /** Why the run proves less than it seems to: states that it was to reach and did not, faults that were not injected. */
  readonly invalid: readonly string[];
}

/** How long recovery may take after everything was healed. */
const recoveryMs = 60_000;

/** States that the workload alone reaches. */
const always = ["taken over", "superseded", "standby", "handed over again"];

/** States that a long run reaches with all faults, whichever come twice and whichever never. (That a reader falls behind takes a burst at the right moment: it is counted, not demanded.) */
const inTheLongRun = [
  "commit unknown",
  "connection to RabbitMQ lost",
  "fenced",
  "indeterminate",
  "published again",
  "repeat dropped",
  "resumed",
  "routing cut",
];
const longSeconds = 100;

/** One run: events flow, faults are injected and healed, everything settles, and what happened is judged. */
export async function runChaos({ seed, seconds, faults: all, folder, say }: ChaosOptions): Promise<ChaosVerdict> {
  const faults = all.filter(({ kind, row, notHere }) => {
    const why = notHere?.();
    if (why !== undefined) say(`fault ${kind} (${row}) is not possible here: ${why}`);
    return why === undefined;
  });
  const schedule = planFaults(seed, faults, seconds);
  say(`seed ${seed}: ${schedule.length} faults in ${seconds} s, of ${faults.length} kinds`);
  for (const { fault, atMs, forMs } of schedule) say(`  ${(atMs / 1_000).toFixed(1).padStart(6)} s  ${fault.kind} for ${forMs} ms`);
  const system = await startChaosSystem(folder, say);
  const metrics = watchMetrics([system.urls.a, system.urls.b]);
  try {
    const workload = await startWorkload(system, seed);
    workload.publish();
    say("events flow");
    await recordResources(system, "baseline");
    const injected = await injectFaults(system, schedule, seconds * 1_000, say);
    say("all is healed");
    const late: string[] = [];
    const attempt = async (what: () => Promise<void>): Promise<void> => {
      try {
        await what();
      } catch (error) {
        late.push(`C11: ${error instanceof Error ? error.message : String(error)}`);
      }
    };
    await attempt(() => until("apps are up again", recoveryMs, () => system.up()));
    await attempt(() => workload.stopPublishing(recoveryMs));
    workload.hurry();
    // As at the beginning, so that what the brokers hold can be compared.
    system.links.pointFrontAt("a");
    await attempt(() => quiesce(system, workload, recoveryMs));
    await attempt(() => recordResources(system, "end"));
    await attempt(() => workload.stop(20_000));
    const history = await takeHistory(system, workload);
    const [quarantined, { duplicates_dropped: dropped = 0 }] = [await countQuarantined(system), metrics.totals()];
    await system.drain();
    const lines = readJournals(folder);
    const broken = checkHistory(history).map(({ rule, text }) => `${rule}: ${text}`);
    const violations = [...broken, ...late, ...injected.notHealed.map((text) => `C11: not healed: ${text}`)];
    if (violations.length > 0) writeFileSync(join(folder, "logs.json"), JSON.stringify(history.logs, bigintToText));
    const reached = { ...sometimes(lines), ...countTold(folder), quarantined, "repeat dropped": dropped };
    const wanted = new Set(seconds >= longSeconds && all.length === allFaults.length ? [...always, ...inTheLongRun] : always);
    for (const { kind, reaches = [] } of faults) if (injected.kinds.has(kind)) for (const what of reaches) wanted.add(what);
    return {
      seed,
      published: workload.published,
      acked: countAcked(lines),
      faults: injected.count,
      kinds: [...injected.kinds].toSorted(),
      violations,
      sometimes: reached,
      invalid: [
        ...neverReached(reached, [...wanted]).map((what) => `the state "${what}" was never reached`),
        ...injected.notInjected.map((text) => `not injected: ${text}`),
      ],
    };
  } finally {
    metrics.stop();
    await system.stop();
  }
}

async function takeHistory(system: ChaosSystem, workload: Workload): Promise<History> {
  const records = withOutcomes(readJournals(system.folder));
  const stored = await Promise.all(Object.entries(logs).map(([log, patterns]) => readLog(system, log, patterns)));
  const archive = await readArchive(system);
  const foreign = archive.foreign.flatMap((each, index): readonly HistoryRecord[] => [
    { kind: "publish", publisher: `foreign ${index}`, attempt: 1, ...each },
    { kind: "outcome", publisher: `foreign ${index}`, attempt: 1, outcome: "indeterminate" },
  ]);
  return { records: [...foreign, ...records], logs: [...stored, archive.log], complete: [...workload.consumers().keys()] };
}

/** What a program had under way when it was killed: nobody was told what became of it. */
function withOutcomes(records: readonly HistoryRecord[]): readonly HistoryRecord[] {
  const open = new Map<string, HistoryRecord>();
  for (const record of records) {
    if (record.kind === "publish") {
      const { publisher, attempt } = record;
      open.set(`${publisher} ${attempt}`, { kind: "outcome", publisher, attempt, outcome: "indeterminate" });
    } else if (record.kind === "outcome") open.delete(`${record.publisher} ${record.attempt}`);
  }
  return [...records, ...open.values()];
}

function countAcked(lines: readonly JournalLine[]): number {
  const consumers = new Map<string, string>();
  const saved = new Map<string, bigint>();
  const began = new Map<string, bigint>();
  for (const line of lines) {
    if (line.kind === "opened") {
      consumers.set(line.reader, line.consumer);
      if (!began.has(line.consumer)) began.set(line.consumer, line.afterOffset);
    } else if (line.kind === "acked") {
      const consumer = consumers.get(line.reader) ?? line.reader;
      if (line.upTo > (saved.get(consumer) ?? 0n)) saved.set(consumer, line.upTo);
    }
  }
  return [...saved].reduce((sum, [consumer, upTo]) => sum + Number(upTo - (began.get(consumer) ?? 0n)), 0);
}
