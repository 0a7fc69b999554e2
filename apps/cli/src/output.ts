/** How a command prints what it found. */
export type OutputFormat = "table" | "json" | "ndjson";

/** bigint as text: JSON has no such number. */
function plain(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return String(value);
  return value instanceof Map ? Object.fromEntries(value as Map<string, unknown>) : value;
}

/** Prints one line to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One value as one line of JSON. */
export function toJsonLine(value: unknown): string {
  return JSON.stringify(value, plain);
}

function cellText(value: unknown): string {
  return typeof value === "string" ? value : value === undefined ? "" : toJsonLine(value).replaceAll('"', "");
}

/** Prints rows in the format asked for. A table needs no terminal. */
export function printRows(rows: readonly Readonly<Record<string, unknown>>[], format: OutputFormat): void {
  if (format === "json") return print(JSON.stringify(rows, plain, 2));
  if (format === "ndjson") {
    for (const row of rows) print(toJsonLine(row));
    return;
  }
  const [first] = rows;
  if (first === undefined) return print("none");
  const columns = Object.keys(first);
  const cells = [columns.map((column) => column.toUpperCase()), ...rows.map((row) => columns.map((column) => cellText(row[column])))];
  const widths = columns.map((_, index) => Math.max(...cells.map((line) => line[index]?.length ?? 0)));
  for (const line of cells)
    print(
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}
