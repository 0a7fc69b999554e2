import { appendFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { openJournal, readJournals } from "./journal.ts";

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "warren-journal-"));
  onTestFinished(() => rm(made, { recursive: true }));
  return made;
}

describe("journals", () => {
  test("are read as one, by time, as they were written", async () => {
    const where = await folder();
    const [one, two] = [openJournal(where, "one"), openJournal(where, "two")];
    one.record({ kind: "ack", reader: "r", offset: 1n });
    two.record({ kind: "note", what: "7" });
    one.record({ kind: "acked", reader: "r", token: 2n ** 60n, upTo: 1n, ranges: [{ first: 3n, last: 4n }] });
    for (const each of [one, two]) each.close();
    const lines = readJournals(where);
    expect(lines).toMatchObject([
      { kind: "ack", reader: "r", offset: 1n },
      { kind: "note", what: "7" },
      { kind: "acked", reader: "r", token: 2n ** 60n, upTo: 1n, ranges: [{ first: 3n, last: 4n }] },
    ]);
    expect(lines.every(({ t }, index) => index === 0 || t >= (lines[index - 1]?.t ?? 0n))).toBe(true);
  });

  test("of a process that was killed while it wrote lose that line alone", async () => {
    const where = await folder();
    const journal = openJournal(where, "killed");
    journal.record({ kind: "note", what: "whole" });
    journal.close();
    await appendFile(join(where, "killed.jsonl"), '{"t":"12');
    expect(readJournals(where)).toMatchObject([{ what: "whole" }]);
  });

  test("are each begun once", async () => {
    const where = await folder();
    openJournal(where, "mine").close();
    expect(() => openJournal(where, "mine")).toThrow("EEXIST");
  });
});
