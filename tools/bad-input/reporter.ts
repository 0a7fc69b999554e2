import type { BadInputResult } from "@warren/test-servers";
import type { Reporter, TestModule } from "vitest/node";
import { outOfScope } from "./out-of-scope.ts";

/** One line for each row of bad input: number, area, input, expected, got, ok or FAILED; then "N passed, N failed". */
export default class BadInputLines implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], errors: readonly unknown[]): void {
    const lines: (readonly [number: string, line: string])[] = [];
    let passed = 0;
    let failed = errors.length;
    for (const module of modules) {
      failed += module.errors().length;
      for (const test of module.children.allTests()) {
        const { badInput } = test.meta();
        const ok = test.result().state === "passed";
        if (ok) passed += 1;
        else failed += 1;
        if (badInput === undefined) lines.push(["", `${test.fullName}  ${ok ? "ok" : "FAILED"}`]);
        else lines.push([badInput.number, describe(badInput, ok)]);
      }
    }
    for (const [number, area, input, missing] of outOfScope)
      lines.push([number, [number, area, input, "-", "-", `not in this scope: ${missing}`].join("  ")]);
    for (const [, line] of lines.toSorted(([a], [b]) => a.localeCompare(b, "en", { numeric: true }))) process.stdout.write(`${line}\n`);
    for (const error of errors) process.stdout.write(`${String(error)}\n`);
    process.once("exit", () => process.stdout.write(`${passed} passed, ${failed} failed\n`));
  }
}

function describe({ number, area, input, expected, got, note }: BadInputResult, ok: boolean): string {
  const columns = [number, area, input, expected, got, ok ? "ok" : "FAILED"].join("  ");
  return note === "" ? columns : `${columns}  (${note})`;
}
