import { expect, test } from "vitest";
import { greenHistory } from "./self-test/green-history.ts";
import { neverReached, sometimes } from "./sometimes.ts";

test("counts what a history shows by itself, and its notes; what a run must have seen and has not is named", () => {
  const { records } = greenHistory();
  const counts = sometimes([...records, { kind: "note", what: "fell behind" }, { kind: "routing-cut" }]);
  expect(counts).toEqual({
    indeterminate: 1,
    rejected: 1,
    "published again": 1,
    "handed over again": 15,
    resumed: 2,
    "taken over": 2,
    parked: 1,
    "side delivery": 1,
    moved: 1,
    "fell behind": 1,
    "routing cut": 1,
  });
  expect(neverReached(counts, ["parked", "gap", "commit unknown", "fell behind"])).toEqual(["gap", "commit unknown"]);
});
