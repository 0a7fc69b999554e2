import { isWarrenError, type EventSlice } from "@warren/protocol";
import { expect, test } from "vitest";
import type { EventLog } from "../event-log.ts";
import { rowsOf, segmentsOf, slice } from "./events.ts";

/** What these tests need: new logs, and reading them. */
interface Reads {
  claimed(this: void): Promise<{
    readonly receiverId: bigint;
    append(events: readonly EventSlice[]): Promise<unknown>;
    read(afterOffset: bigint, maxEvents?: number, maxBytes?: number): ReturnType<EventLog["read"]>;
  }>;
  readonly read: EventLog["read"];
}

/** What `EventLog.read` promises, part of the contract. */
export function readContract({ claimed, read }: Reads): void {
  test("reads chunks bounded by events and by bytes, in whole segments, at least one", async () => {
    const log = await claimed();
    for (let i = 0; i < 6; i += 1) await log.append([slice({ text: "x".repeat(1000) }), slice({ text: "x".repeat(1000) })]);
    expect(await segmentsOf(log.read(0n, 4))).toHaveLength(2);
    expect(await segmentsOf(log.read(0n, 5))).toHaveLength(3);
    expect(await segmentsOf(log.read(0n, 100, 1))).toHaveLength(1);
    expect(await segmentsOf(log.read(0n, 100, 4200))).toHaveLength(3);
    expect(rowsOf(await segmentsOf(log.read(11n)))[1]).toMatch(/^12:/);
  });

  test("counts a chunk from the segment that it begins with, also when it begins in the middle, and ends it at the head", async () => {
    const log = await claimed();
    for (const size of [3, 1, 5, 2]) await log.append(Array.from({ length: size }, () => slice()));
    const firsts = async (afterOffset: bigint, maxEvents: number) =>
      (await segmentsOf(log.read(afterOffset, maxEvents))).map(({ firstOffset }) => firstOffset);
    expect(await firsts(2n, 1)).toEqual([1n]);
    expect(await firsts(2n, 3)).toEqual([1n]);
    expect(await firsts(2n, 4)).toEqual([1n, 4n]);
    expect(await firsts(2n, 5)).toEqual([1n, 4n, 5n]);
    expect(await firsts(3n, 6)).toEqual([4n, 5n]);
    expect(await firsts(3n, 7)).toEqual([4n, 5n, 10n]);
    expect(await firsts(6n, 6)).toEqual([5n, 10n]);
    expect(await firsts(0n, 2_000_000)).toEqual([1n, 4n, 5n, 10n]);
    expect(await firsts(10n, 1)).toEqual([10n]);
  });

  test("answers OFFSET_OUT_OF_RANGE at the head, never nothing", async () => {
    const log = await claimed();
    await expect(log.read(0n)).rejects.toSatisfy((error) => isWarrenError(error, "OFFSET_OUT_OF_RANGE"));
    await log.append([slice()]);
    await expect(log.read(1n)).rejects.toSatisfy((error) => isWarrenError(error, "OFFSET_OUT_OF_RANGE"));
  });

  test("gives its segments again after reads that were aborted", async () => {
    const log = await claimed();
    for (let i = 0; i < 20; i += 1) await log.append([slice({ text: "x".repeat(10_000) })]);
    const reason = new Error("stop");
    const reads = Array.from({ length: 20 }, () => {
      const stop = new AbortController();
      const request = { receiverId: log.receiverId, afterOffset: 0n, maxEvents: 100, maxBytes: 1_000_000 };
      const reading = read(request, { signal: stop.signal }).catch((error: unknown) => error);
      stop.abort(reason);
      return reading;
    });
    for (const result of await Promise.all(reads)) if (result instanceof Error) expect(result).toBe(reason);
    expect(await segmentsOf(log.read(0n))).toHaveLength(20);
  });
}
