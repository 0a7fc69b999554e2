import { keepEverything, type RetentionPolicy } from "@warren/state-store";
import { describe, expect, test } from "vitest";
import { effectsOf, extendPlan, startPlan, type Reader } from "./retention.ts";

/** Ten segments of ten events and 100 bytes, recorded at 1 000, 2 000 … */
const log = Array.from({ length: 10 }, (_, i) => ({
  firstOffset: BigInt(i * 10 + 1),
  lastOffset: BigInt(i * 10 + 10),
  bytes: 100,
  recordedAt: (i + 1) * 1_000,
}));

/** What goes at time 10 000, in short words. */
function plan(policy: Partial<RetentionPolicy>, readers: readonly Reader[] = [], pages = 100) {
  let planned = startPlan({ ...keepEverything, ...policy }, readers, { headOffset: 100n, oldestOffset: 1n, keptBytes: 1_000, now: 10_000 });
  for (let from = 0; !planned.complete; from += pages) planned = extendPlan(planned, log.slice(from, from + pages));
  const effects = effectsOf(planned).map(
    ({ name, holds, loses }) => `${name}${holds > 0n ? ` holds ${holds}` : ""}${loses > 0n ? ` loses ${loses}` : ""}`,
  );
  return [`gone to ${planned.goneTo}`, `${planned.goneBytes} bytes`, ...effects];
}
const asleep = (name: string, mark: bigint): Reader => ({ name, mark, asleep: true });
const awake = (name: string, mark: bigint): Reader => ({ name, mark, asleep: false });

describe("retention", () => {
  test("keeps everything until a limit is set, whoever has it", () => {
    expect(plan({}, [awake("a", 100n)])).toEqual(["gone to 0", "0 bytes"]);
    expect(plan({ hold: false })).toEqual(["gone to 0", "0 bytes"]);
  });

  test("removes whole segments that are too old, or too much, whichever limit is reached first", () => {
    expect(plan({ maxAgeMs: 7_000 })).toEqual(["gone to 30", "300 bytes"]);
    expect(plan({ maxAgeMs: 7_001 })).toEqual(["gone to 20", "200 bytes"]);
    expect(plan({ maxBytes: 400 })).toEqual(["gone to 60", "600 bytes"]);
    expect(plan({ maxBytes: 350 })).toEqual(["gone to 70", "700 bytes"]);
    expect(plan({ maxBytes: 1_000 })).toEqual(["gone to 0", "0 bytes"]);
    expect(plan({ maxAgeMs: 7_000, maxBytes: 400 })).toEqual(["gone to 60", "600 bytes"]);
    expect(plan({ maxAgeMs: 2_000, maxBytes: 400 })).toEqual(["gone to 80", "800 bytes"]);
  });

  test("never removes the newest segment", () => {
    expect(plan({ maxBytes: 0 })).toEqual(["gone to 90", "900 bytes"]);
    expect(plan({ maxAgeMs: 0 })).toEqual(["gone to 90", "900 bytes"]);
    expect(plan({ untilAcked: true }, [awake("a", 100n)])).toEqual(["gone to 90", "900 bytes"]);
  });

  test("what a consumer has not settled holds the log, over every limit, and who holds it is named", () => {
    const readers = [awake("quick", 100n), asleep("late", 45n), asleep("later", 12n), awake("slow", 55n)];
    expect(plan({ maxAgeMs: 3_000 }, readers)).toEqual(["gone to 10", "100 bytes", "later holds 58", "late holds 25", "slow holds 15"]);
    expect(plan({ maxAgeMs: 9_000 }, readers)).toEqual(["gone to 10", "100 bytes"]);
    // A segment is settled when its last event is.
    expect(plan({ maxAgeMs: 3_000 }, [asleep("late", 39n)])).toEqual(["gone to 30", "300 bytes", "late holds 31"]);
    expect(plan({ maxAgeMs: 3_000 }, [asleep("late", 40n)])).toEqual(["gone to 40", "400 bytes", "late holds 30"]);
  });

  test("without hold a limit counts, and who loses by it is named", () => {
    const readers = [awake("quick", 100n), asleep("late", 45n), asleep("later", 12n)];
    expect(plan({ maxAgeMs: 3_000, hold: false }, readers)).toEqual(["gone to 70", "700 bytes", "later loses 58", "late loses 25"]);
  });

  test("until acked: goes what every consumer has; sleepers hold it, or do not count", () => {
    const readers = [awake("quick", 95n), awake("slow", 62n), asleep("late", 21n)];
    expect(plan({ untilAcked: true }, readers)).toEqual(["gone to 20", "200 bytes", "late holds 69", "slow holds 28"]);
    expect(plan({ untilAcked: true, hold: false }, readers)).toEqual(["gone to 60", "600 bytes", "late loses 39"]);
    expect(plan({ untilAcked: true, hold: false }, [asleep("late", 21n)])).toEqual(["gone to 0", "0 bytes"]);
    expect(plan({ untilAcked: true })).toEqual(["gone to 0", "0 bytes"]);
  });

  test("a consumer that lost events before holds and loses only what is there", () => {
    const policy = { ...keepEverything, maxBytes: 400 };
    const start = startPlan(policy, [asleep("late", 3n)], { headOffset: 100n, oldestOffset: 31n, keptBytes: 700, now: 10_000 });
    expect(effectsOf(extendPlan(start, log.slice(3)))).toMatchObject([{ name: "late", holds: 30n, loses: 0n }]);
    const lossy = startPlan({ ...policy, hold: false }, [asleep("late", 3n)], {
      headOffset: 100n,
      oldestOffset: 31n,
      keptBytes: 700,
      now: 10_000,
    });
    expect(effectsOf(extendPlan(lossy, log.slice(3)))).toMatchObject([{ name: "late", holds: 0n, loses: 30n }]);
  });

  test("sees the same log in pages of any size", () => {
    const readers = [asleep("late", 45n)];
    for (const policy of [{ maxBytes: 150 }, { maxAgeMs: 3_000, hold: false }, { untilAcked: true }])
      for (const pages of [1, 3, 7]) expect(plan(policy, readers, pages)).toEqual(plan(policy, readers));
  });
});
