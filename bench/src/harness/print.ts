import { goalsTable, tableOf } from "./markdown.ts";
import { machineLine, type Machine } from "./machine.ts";
import type { Report } from "./report.ts";

/** Prints what was measured on what. */
export function printHead(machine: Machine, versions: Readonly<Record<string, string>>): void {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  print(`${machineLine(machine)}\n${programs.join(", ")}\n`);
}

/** Prints a report as Markdown. */
export function printReport({ title, columns, rows, tables = [], goals = [], notes }: Report): void {
  print(`## ${title}\n\n${tableOf({ columns, rows })}\n`);
  for (const table of tables) print(`### ${table.title}\n\n${tableOf(table)}\n`);
  if (goals.length > 0) print(`### Goals\n\n${goalsTable(goals)}\n`);
  for (const note of notes) print(note);
  if (notes.length > 0) print("");
}

/** One line, or several, on stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
