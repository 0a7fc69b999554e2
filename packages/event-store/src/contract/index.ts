import { isWarrenError, lastOffsetOf, type EventSlice } from "@warren/protocol";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { AppendRequest, AppendResult, EventLog, PruneRequest } from "../event-log.ts";
import { rowsOf, segmentsOf, slice } from "./events.ts";
import { readContract } from "./read-contract.ts";

/** What a suite needs of an implementation. */
export interface EventLogUnderTest {
  readonly log: EventLog;
  readonly faults: {
    /** The append is committed, and its answer lost. */
    loseAnswerOf(append: () => Promise<AppendResult>): Promise<AppendResult>;
    /** The database is away: the append never reaches it. */
    away(append: () => Promise<AppendResult>): Promise<AppendResult>;
    /** The append waits in the database after its caller lost it; the result lets it go on, and resolves when it has. */
    late(append: () => Promise<AppendResult>): Promise<() => Promise<void>>;
    /** From now on the database takes no event with that id. */
    refuse(id: string): Promise<void>;
  };
  close(): Promise<void>;
}

export { rowsOf, slice } from "./events.ts";

/** The contract of EventLog, to be run on every implementation. */
export function describeEventLog(name: string, open: () => Promise<EventLogUnderTest>): void {
  describe(`EventLog: ${name}`, () => {
    let subject: EventLogUnderTest;
    let receivers = 0n;
    beforeAll(async () => {
      subject = await open();
    });
    afterAll(() => subject.close());

    /** A new log, claimed. */
    async function claimed() {
      receivers += 1n;
      const receiverId = receivers;
      await subject.log.create(receiverId);
      const claim = await subject.log.claim(receiverId);
      let headOffset = claim.headOffset;
      return {
        receiverId,
        claim,
        request: (events: readonly EventSlice[], more: Partial<AppendRequest> = {}): AppendRequest => ({
          receiverId,
          epoch: claim.epoch,
          headOffset,
          events,
          quarantined: [],
          ...more,
        }),
        async append(events: readonly EventSlice[]) {
          const result = await subject.log.append(this.request(events));
          if (result.kind === "appended" && result.segment !== undefined) headOffset = lastOffsetOf(result.segment);
          return result;
        },
        read: (afterOffset: bigint, maxEvents = 100, maxBytes = 1_000_000) =>
          subject.log.read({ receiverId, afterOffset, maxEvents, maxBytes }),
      };
    }

    const prune = (log: Awaited<ReturnType<typeof claimed>>, beforeOffset: bigint, more: Partial<PruneRequest> = {}) =>
      subject.log.prune({
        receiverId: log.receiverId,
        epoch: log.claim.epoch,
        beforeOffset,
        reason: "older than a day",
        maxEvents: 100,
        ...more,
      });

    test("W2: gives dense offsets from 1 and reads back what was appended", async () => {
      const log = await claimed();
      expect(log.claim).toMatchObject({ headOffset: 0n, oldestOffset: 1n });
      const [a, b, c] = [slice({ id: "a" }), slice({ id: "b" }), slice({ id: "c" })];
      expect(await log.append([a, b])).toMatchObject({ kind: "appended", segment: { firstOffset: 1n, count: 2 } });
      expect(await log.append([c])).toMatchObject({ kind: "appended", segment: { firstOffset: 3n, count: 1 } });
      expect(rowsOf(await segmentsOf(log.read(0n)))).toEqual(["1:a", "2:b", "3:c"]);
      expect(rowsOf(await segmentsOf(log.read(1n)))).toEqual(["1:a", "2:b", "3:c"]);
      expect(rowsOf(await segmentsOf(log.read(2n)))).toEqual(["3:c"]);
      expect(await subject.log.status(log.receiverId)).toMatchObject({ headOffset: 3n, epoch: log.claim.epoch });
    });

    test("W2: refuses an append at another head, and one of an older epoch", async () => {
      const log = await claimed();
      await log.append([slice()]);
      expect(await subject.log.append(log.request([slice()], { headOffset: 0n }))).toEqual({ kind: "head-moved", headOffset: 1n });
      await subject.log.claim(log.receiverId);
      expect(await log.append([slice()])).toEqual({ kind: "fenced" });
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(1n);
    });

    test("W2: of appends at once exactly one gets each head", async () => {
      const log = await claimed();
      const results = await Promise.all(Array.from({ length: 8 }, () => subject.log.append(log.request([slice()]))));
      expect(results.filter(({ kind }) => kind === "appended")).toHaveLength(1);
      expect(results.filter(({ kind }) => kind === "head-moved")).toHaveLength(7);
      expect(await segmentsOf(log.read(0n))).toHaveLength(1);
    });

    test("W2: an append whose answer is lost is OUTCOME_UNKNOWN, and its events are known", async () => {
      const log = await claimed();
      const events = [slice(), slice()];
      await expect(subject.faults.loseAnswerOf(() => log.append(events))).rejects.toSatisfy((error) =>
        isWarrenError(error, "OUTCOME_UNKNOWN"),
      );
      await vi.waitFor(async () => expect(await subject.log.known(log.receiverId, [...events, slice()])).toHaveLength(2));
      const { headOffset } = await subject.log.status(log.receiverId);
      expect(headOffset).toBe(2n);
      expect((await subject.log.append(log.request(events, { headOffset }))).kind).toBe("known");
    });

    test("W2: an append that never arrived is STORE_UNAVAILABLE, and did nothing", async () => {
      const log = await claimed();
      await expect(subject.faults.away(() => log.append([slice()]))).rejects.toSatisfy((error) =>
        isWarrenError(error, "STORE_UNAVAILABLE"),
      );
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(0n);
    });

    test("W2: of a late append and the one that followed it only the first to commit is stored", async () => {
      const log = await claimed();
      const events = [slice()];
      const goOn = await subject.faults.late(() => log.append(events));
      expect(await subject.log.known(log.receiverId, events)).toEqual([]);
      const following = log.append([...events, slice()]);
      await goOn();
      // Whichever came first: the head says which, and the event is there once, at the first offset.
      const { headOffset } = await subject.log.status(log.receiverId).then((status) => following.then(() => status));
      expect(headOffset).toBe((await following).kind === "appended" ? 2n : 1n);
      expect(await subject.log.known(log.receiverId, events)).toEqual([{ index: 0, offset: 1n, sameContent: true }]);
    });

    test("W3: stores an event once, and tells a repeat from another event with the same id", async () => {
      const log = await claimed();
      const first = slice({ id: "same", text: "one" });
      await log.append([first, slice()]);
      const other = slice({ id: "same", text: "two" });
      const foreign = slice({ id: "same", source: "/other", text: "two" });
      expect(await log.append([slice(), first])).toEqual({ kind: "known", known: [{ index: 1, offset: 1n, sameContent: true }] });
      expect(await log.append([other])).toEqual({ kind: "known", known: [{ index: 0, offset: 1n, sameContent: false }] });
      expect((await log.append([foreign])).kind).toBe("appended");
      expect(await subject.log.known(log.receiverId, [slice(), first])).toEqual([{ index: 1, offset: 1n, sameContent: true }]);
      expect(await subject.log.find(log.receiverId, "/other", "same")).toBe(3n);
      expect(await subject.log.find(log.receiverId, "/other", "nothing")).toBeUndefined();
      const asked = [
        { source: "/other", id: "nothing" },
        { source: "/other", id: "same" },
      ];
      expect([...(await subject.log.offsetsOf(log.receiverId, asked))]).toEqual([[1, 3n]]);
      expect(await subject.log.offsetsOf(log.receiverId, [])).toEqual(new Map());
    });

    test("W3: keeps the keys of each log apart", async () => {
      const [one, two] = [await claimed(), await claimed()];
      const event = slice();
      expect((await one.append([event])).kind).toBe("appended");
      expect((await two.append([event])).kind).toBe("appended");
    });

    test("W9: tells a pruned range as a gap, and lets a pruned event be stored again", async () => {
      const log = await claimed();
      const first = slice({ id: "old" });
      await log.append([first, slice()]);
      await log.append([slice(), slice()]);
      await log.append([slice()]);
      expect(await prune(log, 4n)).toMatchObject({ oldestOffset: 3n, more: false });
      const gap = { kind: "pruned", firstOffset: 1n, lastOffset: 2n, reason: "older than a day" };
      expect(await log.read(0n)).toEqual({ kind: "pruned", gap });
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([gap]);
      expect(await subject.log.gaps(log.receiverId, 2n)).toEqual([]);
      expect(await segmentsOf(log.read(2n))).toHaveLength(2);
      expect(await subject.log.status(log.receiverId)).toMatchObject({ oldestOffset: 3n, headOffset: 5n });
      expect((await log.append([first])).kind).toBe("appended");
      expect(await prune(log, 1n, { reason: "nothing to do" })).toEqual({ oldestOffset: 3n, bytes: 0, more: false });
    });

    test("prunes in bounded steps of whole segments, at least one, and one reason is one gap", async () => {
      const log = await claimed();
      const events = Array.from({ length: 6 }, () => [slice(), slice(), slice()]);
      for (const each of events) await log.append(each);
      const { keptBytes, segments } = await subject.log.sizes(log.receiverId, 0n, 100);
      expect(segments.map(({ firstOffset, lastOffset }) => [firstOffset, lastOffset])).toEqual(
        [1n, 4n, 7n, 10n, 13n, 16n].map((first) => [first, first + 2n]),
      );
      expect(segments.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(keptBytes);
      expect(await subject.log.sizes(log.receiverId, 3n, 1)).toMatchObject({ keptBytes, segments: [{ firstOffset: 4n }] });
      expect(await prune(log, 16n, { maxEvents: 4 })).toMatchObject({ oldestOffset: 7n, more: true });
      expect(await prune(log, 16n, { maxEvents: 1 })).toMatchObject({ oldestOffset: 10n, more: true });
      const gap = { kind: "pruned", firstOffset: 1n, lastOffset: 9n, reason: "older than a day" };
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([gap]);
      expect(await prune(log, 16n, { reason: "too many bytes" })).toMatchObject({ oldestOffset: 16n, more: false });
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([
        gap,
        { kind: "pruned", firstOffset: 10n, lastOffset: 15n, reason: "too many bytes" },
      ]);
      const left = await subject.log.sizes(log.receiverId, 0n, 100);
      expect(left).toMatchObject({ keptBytes: segments.at(-1)?.bytes, segments: [{ firstOffset: 16n, lastOffset: 18n }] });
      // The keys went with their events, and those of what is kept did not.
      expect((await subject.log.known(log.receiverId, events.flat())).map(({ offset }) => offset)).toEqual([16n, 17n, 18n]);
      await log.append([slice()]);
      expect((await subject.log.sizes(log.receiverId, 0n, 100)).keptBytes).toBeGreaterThan(left.keptBytes);
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(19n);
    });

    test("W4: a writer that lost its log prunes nothing", async () => {
      const log = await claimed();
      await log.append([slice()]);
      await log.append([slice()]);
      await subject.log.claim(log.receiverId);
      await expect(prune(log, 2n)).rejects.toSatisfy((error) => isWarrenError(error, "FENCED"));
      expect(await segmentsOf(log.read(0n))).toHaveLength(2);
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([]);
    });

    test("W13: a dropped log is gone with all that belongs to it, and is made anew", async () => {
      const [log, other] = [await claimed(), await claimed()];
      const event = slice();
      const bad = { reason: "bad_text" as const, detail: "not UTF-8", bytes: Uint8Array.of(255) };
      await log.append([event, slice()]);
      await subject.log.append(log.request([], { quarantined: [bad] }));
      await subject.log.recordMissed({ receiverId: log.receiverId, epoch: log.claim.epoch, fromTime: 1, toTime: 2, reason: "queue gone" });
      await other.append([event]);
      const dropAll = async () => {
        while (!(await subject.log.drop(log.receiverId)));
      };
      await dropAll();
      await expect(subject.log.status(log.receiverId)).rejects.toSatisfy((error) => isWarrenError(error, "NOT_FOUND"));
      expect([...(await subject.log.statuses([log.receiverId, other.receiverId])).keys()]).toEqual([other.receiverId]);
      await dropAll();
      await subject.log.create(log.receiverId);
      const again = await subject.log.claim(log.receiverId);
      expect(again).toMatchObject({ headOffset: 0n, oldestOffset: 1n });
      expect(again.logId).not.toBe(log.claim.logId);
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([]);
      expect(await subject.log.quarantined(log.receiverId, 10)).toEqual([]);
      expect(await subject.log.sizes(log.receiverId, 0n, 10)).toEqual({ keptBytes: 0, segments: [] });
      expect(await subject.log.append(log.request([event], { epoch: again.epoch, headOffset: 0n }))).toMatchObject({ kind: "appended" });
      expect(await segmentsOf(other.read(0n))).toHaveLength(1);
    });

    test("W9: records a time in which events may have been missed", async () => {
      const log = await claimed();
      await log.append([slice()]);
      const gap = { kind: "missed", afterOffset: 1n, fromTime: 1_700_000_000_000, toTime: 1_700_000_001_500, reason: "queue gone" };
      const { fromTime, toTime, reason } = gap;
      const missed = { receiverId: log.receiverId, epoch: log.claim.epoch, fromTime, toTime, reason };
      expect(await subject.log.recordMissed(missed)).toEqual(gap);
      expect(await subject.log.gaps(log.receiverId, 1n)).toEqual([gap]);
      expect(await subject.log.gaps(log.receiverId, 2n)).toEqual([]);
    });

    test("W9: a writer that lost its log records nothing: who has the log would not hear of it", async () => {
      const log = await claimed();
      const missed = { receiverId: log.receiverId, epoch: log.claim.epoch, fromTime: 1, toTime: 2, reason: "queue gone" };
      await subject.log.claim(log.receiverId);
      await expect(subject.log.recordMissed(missed)).rejects.toSatisfy((error) => isWarrenError(error, "FENCED"));
      expect(await subject.log.gaps(log.receiverId, 0n)).toEqual([]);
    });

    test("W12: stores quarantined events with the batch, each once, whatever their bytes", async () => {
      const log = await claimed();
      const bad = { reason: "bad_text" as const, detail: "not UTF-8 \0", bytes: Uint8Array.of(0, 255, 128), id: "x\0y", type: "\uD800" };
      const request = log.request([slice()], { quarantined: [bad] });
      expect((await subject.log.append(request)).kind).toBe("appended");
      const again = { ...request, headOffset: 1n, events: [] };
      expect(await subject.log.append(again)).toEqual({ kind: "appended", segment: undefined });
      const rows = await subject.log.quarantined(log.receiverId, 10);
      expect(rows).toHaveLength(1);
      expect(rows[0]?.reason).toBe("bad_text");
      expect(rows[0]?.source).toBeUndefined();
      expect([...(rows[0]?.bytes ?? [])]).toEqual([0, 255, 128]);
    });

    test("W12: shows the newest of what is in quarantine, the first bytes of each, and how many there are", async () => {
      const log = await claimed();
      const large = { reason: "malformed" as const, detail: "broken", bytes: new Uint8Array(100_000).fill(7) };
      const small = { ...large, detail: "other", bytes: Uint8Array.of(1) };
      await subject.log.append(log.request([], { quarantined: [large] }));
      await subject.log.append(log.request([], { quarantined: [small] }));
      expect(await subject.log.quarantined(log.receiverId, 10)).toMatchObject([
        { size: 1, bytes: { length: 1 } },
        { size: 100_000, bytes: { length: 65_536 } },
      ]);
      expect(await subject.log.quarantined(log.receiverId, 1)).toMatchObject([{ size: 1 }]);
    });

    test("W12: a value that the database never takes is refused: nothing is written, and the rest can be stored without it", async () => {
      const log = await claimed();
      const poison = slice({ id: "poison" });
      await subject.faults.refuse("poison");
      expect(await log.append([slice(), poison, slice()])).toMatchObject({ kind: "refused", detail: expect.any(String) as string });
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(0n);
      const aside = { reason: "refused" as const, detail: "found by halves", bytes: poison.bytes, id: poison.id };
      const rest = log.request([slice()], { quarantined: [aside] });
      expect(await subject.log.append(rest)).toMatchObject({ kind: "appended", segment: { firstOffset: 1n, count: 1 } });
      expect(await subject.log.quarantined(log.receiverId, 10)).toMatchObject([{ reason: "refused", id: "poison" }]);
    });

    test("finds the offset before a time", async () => {
      const log = await claimed();
      const first = await log.append([slice(), slice()]);
      const time = first.kind === "appended" ? (first.segment?.recordedAt ?? 0) : 0;
      expect(await subject.log.offsetBefore(log.receiverId, time)).toBe(0n);
      expect(await subject.log.offsetBefore(log.receiverId, time + 60_000)).toBe(2n);
    });

    test("stores identities byte by byte: no folding, no escaping", async () => {
      const log = await claimed();
      const odd = ["é", "e\u0301", "' OR 1=1 --", "__proto__", "a\u0000b", "\u202Ea"];
      expect((await log.append(odd.map((id) => slice({ id })))).kind).toBe("appended");
      expect(rowsOf(await segmentsOf(log.read(0n)))).toEqual(odd.map((id, i) => `${i + 1}:${id}`));
    });

    readContract({ claimed, read: (...args) => subject.log.read(...args) });

    test("appends what was prepared as it appends it without, and nothing that was prepared of other events", async () => {
      const log = await claimed();
      const [first, second] = [
        [slice({ id: "1" }), slice({ id: "2" })],
        [slice({ id: "3" }), slice({ id: "4" })],
      ];
      const prepared = (events: readonly EventSlice[]) => subject.log.prepare(log.receiverId, events);
      expect((await subject.log.append(log.request(first, { prepared: prepared(first) }))).kind).toBe("appended");
      expect((await subject.log.append(log.request(second, { headOffset: 2n, prepared: prepared(first) }))).kind).toBe("appended");
      expect(rowsOf(await segmentsOf(log.read(0n)))).toEqual(["1:1", "2:2", "3:3", "4:4"]);
      const again = await subject.log.append(log.request(first, { headOffset: 4n, prepared: prepared(first) }));
      expect(again).toMatchObject({ kind: "known", known: [{ offset: 1n }, { offset: 2n }] });
      expect(await subject.log.known(log.receiverId, second)).toHaveLength(2);
      expect(prepared([])).toBeUndefined();
      // Nobody has met this log.
      expect(() => subject.log.prepare(9_999n, first)).not.toThrow();
    });

    test("stores a segment of 500 events", async () => {
      const log = await claimed();
      await log.append(Array.from({ length: 500 }, () => slice()));
      const [segment] = await segmentsOf(log.read(499n));
      expect(segment).toMatchObject({ firstOffset: 1n, count: 500 });
    });

    test("a renewed log has another id, and only its writer may renew it", async () => {
      const log = await claimed();
      const id = await subject.log.renew(log.receiverId, log.claim.epoch);
      expect(id).not.toBe(log.claim.logId);
      expect((await subject.log.claim(log.receiverId)).logId).toBe(id);
      await expect(subject.log.renew(log.receiverId, log.claim.epoch)).rejects.toSatisfy((error) => isWarrenError(error, "FENCED"));
    });

    test("says NOT_FOUND for a log that was never made, and makes one once", async () => {
      await expect(subject.log.claim(999_999n)).rejects.toSatisfy((error) => isWarrenError(error, "NOT_FOUND"));
      const log = await claimed();
      await log.append([slice()]);
      await subject.log.create(log.receiverId);
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(1n);
    });

    test("does nothing once aborted", async () => {
      const log = await claimed();
      const reason = new Error("stop");
      await expect(subject.log.append(log.request([slice()]), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
      expect((await subject.log.status(log.receiverId)).headOffset).toBe(0n);
      await log.append([slice()]);
      const read = { receiverId: log.receiverId, afterOffset: 0n, maxEvents: 1, maxBytes: 1 };
      await expect(subject.log.read(read, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });
  });
}
