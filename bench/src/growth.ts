import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { lastOffsetOf, must } from "@warren/protocol";
import { startPostgres } from "@warren/test-servers";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, ratioOf, round2, shown, spreadBy, takeTurns, type Spread } from "./harness/rounds.ts";
import { openLogSchema, schemaBytes, type LogSchema, type LogWriter } from "./parts/bench-log.ts";
import { LogCopier } from "./parts/copy-log.ts";
import { makeSlices } from "./parts/made-events.ts";

/*
 * What does a large log cost? The same appends and catch-up pages with an empty log, and with 10 GB of log (segments, keys and indexes) in the same tables, taking
 * turns on one server. The large one is some logs of equal size, of which the one that is measured is read at random places.
 */

const gib = 2 ** 30;
const goal = 0.9;
const eventBytes = 256;
const batch = 500;
/** Of the disk: left alone. */
const leaveBytes = 15 * gib;
const names = ["empty", "full"] as const;
type Name = (typeof names)[number];

interface Figures {
  readonly appended: number;
  readonly read: number;
  /** Appended and read, a second. */
  readonly both: number;
}

/** Events/s with an empty log and with a large one. */
export async function growth({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 3 : 7;
  const perRound = quick ? 20_000 : 100_000;
  const postgres = await startPostgres({
    postgresFlags: ["-c", "max_wal_size=4GB", "-c", "checkpoint_timeout=1h", "-c", "autovacuum=off", "-c", "shared_buffers=512MB"],
  });
  const schemas = {
    empty: await openLogSchema(postgres.url, "bench_empty"),
    full: await openLogSchema(postgres.url, "bench_full"),
  };
  const copier = await LogCopier.open(postgres.url, "bench_full");
  try {
    const { bavail, bsize } = await statfs(tmpdir());
    // As much again goes by as WAL until it is recycled.
    const target = Math.min((quick ? 1 : 10) * gib, (bavail * bsize - leaveBytes) / 2);
    const size = await fill(schemas.full, copier, quick ? 100_000 : 1_000_000, target, say);
    const writers: Record<Name, LogWriter> = { empty: await schemas.empty.writer(1n), full: await schemas.full.writer(1n) };
    say(`${(size / gib).toFixed(1)} GiB of log; measuring`);
    const turn = (name: Name): Promise<Figures> => measure(schemas[name], writers[name], perRound);
    for (const name of names) await turn(name);
    const results = await takeTurns(names, rounds, turn);
    return toReport(results, rounds, perRound, size);
  } finally {
    await copier.close();
    await Promise.all(names.map((name) => schemas[name].close()));
    await postgres.stop();
  }
}

/** Appends one log, and copies it until there is enough. Answers how large all is. */
async function fill(schema: LogSchema, copier: LogCopier, events: number, target: number, say: (line: string) => void): Promise<number> {
  say(`appending ${count(events)} events`);
  const writer = await schema.writer(1n);
  while (writer.head < events) await writer.append(makeSlices(batch, eventBytes));
  let size = await schemaBytes(schema.database);
  for (let copy = 2n; size < target; copy += 1n) {
    await copier.copy(1n, copy);
    size = await schemaBytes(schema.database);
    if (copy % 5n === 0n) say(`${(size / gib).toFixed(1)} GiB`);
  }
  await copier.settle();
  return size;
}

async function measure({ log }: LogSchema, writer: LogWriter, events: number): Promise<Figures> {
  const batches = Array.from({ length: events / batch }, () => makeSlices(batch, eventBytes));
  let began = performance.now();
  for (const each of batches) await writer.append(each);
  const appending = (performance.now() - began) / 1000;
  began = performance.now();
  let read = 0;
  while (read < events) {
    // A consumer that wakes: some pages in a row, from anywhere.
    let after = BigInt(Math.floor(Math.random() * Math.max(0, Number(writer.head) - 10 * batch)));
    for (let page = 0; page < 10; page += 1) {
      const chunk = await log.read({ receiverId: 1n, afterOffset: after, maxEvents: batch, maxBytes: 1024 * 1024 });
      if (chunk.kind !== "segments") throw new Error(chunk.kind);
      for (const segment of chunk.segments) read += segment.count;
      after = lastOffsetOf(must(chunk.segments.at(-1), "a chunk has a segment"));
    }
  }
  const reading = (performance.now() - began) / 1000;
  return { appended: events / appending, read: read / reading, both: (events + read) / (appending + reading) };
}

function toReport(results: Readonly<Record<Name, readonly Figures[]>>, rounds: number, perRound: number, size: number): Report {
  const of = (name: Name, key: keyof Figures): Spread => spreadBy(results[name], (figures) => figures[key]);
  const ratio = (key: keyof Figures): number => ratioOf(of("full", key), of("empty", key));
  const large = `${round2(size / gib).toFixed(1)} GiB`;
  const label = { empty: "empty", full: large };
  return {
    title: `Growth: an empty log against ${large} of log`,
    columns: ["log", "appended, events/s", "read, events/s", "both, events/s"],
    rows: names.map((name) => [label[name], shown(of(name, "appended")), shown(of(name, "read")), shown(of(name, "both"))]),
    ratios: { append: ratio("appended"), read: ratio("read"), "append and read": ratio("both") },
    goals: [{ measure: `append and read with ${large} of log`, against: "an empty log", ratio: ratio("both"), goal, better: "more" }],
    notes: [
      `${rounds} rounds of ${count(perRound)} events appended and as many read, taking turns; batches and pages of ${batch} events of ${eventBytes} B.`,
    ],
    raw: { results, size },
    right: ratio("both") >= goal,
  };
}
