import { closeSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { HistoryRecord } from "../history/history.ts";

/** A line of a journal: what happened, and when by the monotonic clock, which all processes of a machine share, in nanoseconds. */
export type JournalLine = HistoryRecord & { readonly t: bigint };

/** Where a process writes down what happens to it. */
export interface Journal {
  /** On its way to the disk before it returns: a process that is killed loses nothing that it has acted upon. */
  record(what: HistoryRecord): void;
  close(): void;
}

/** Begins the journal `name` in a folder. Throws when it exists: each process has its own. */
export function openJournal(folder: string, name: string): Journal {
  const file = openSync(join(folder, `${name}.jsonl`), "ax");
  return {
    record(what) {
      writeSync(file, `${JSON.stringify({ t: process.hrtime.bigint(), ...what }, bigintToText)}\n`);
    },
    close: () => closeSync(file),
  };
}

/** All journals of a folder as one, by time. The last line of a process that was killed may be cut: it is left out. */
export function readJournals(folder: string): readonly JournalLine[] {
  const lines: JournalLine[] = [];
  for (const name of readdirSync(folder).toSorted()) {
    if (!name.endsWith(".jsonl")) continue;
    for (const line of readFileSync(join(folder, name), "utf8").split("\n").slice(0, -1)) {
      lines.push(JSON.parse(line, textToBigint) as JournalLine);
    }
  }
  return lines.toSorted((a, b) => (a.t < b.t ? -1 : a.t > b.t ? 1 : 0));
}

/** JSON has no bigint: 7n is written "7n". No other text of a journal looks like that. */
export function bigintToText(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? `${value}n` : value;
}

function textToBigint(_key: string, value: unknown): unknown {
  return typeof value === "string" && /^\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value;
}
