import { isMet, type Goal, type Table } from "./report.ts";

/** A table in Markdown. */
export function tableOf({ columns, rows }: Pick<Table, "columns" | "rows">): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(columns), `|${columns.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

/** Each goal, what was reached, and whether that is enough. */
export function goalsTable(goals: readonly Goal[]): string {
  const rows = goals.map((goal) => [
    goal.measure,
    goal.against,
    `${goal.ratio}x`,
    `${goal.better === "more" ? ">=" : "<="} ${goal.goal}x`,
    isMet(goal) ? "met" : "MISSED",
  ]);
  return tableOf({ columns: ["measure", "against", "ratio", "goal", ""], rows });
}
