import { Times, WarrenError } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { asleep, type ConsumerInput } from "./consumer-state.ts";
import { ack, away, Driver, grant, pull, segment, segments, settled, spec } from "./testing/consumer-driver.ts";

describe("stepConsumer()", () => {
  test("wakes, catches up from the log, goes over to the tail and is live", () => {
    const driver = new Driver();
    expect(driver.do({ kind: "open", session: spec("s") })).toEqual(["claim s"]);
    expect(driver.do({ kind: "claimed", sessionId: "s", grant: grant({ settled: settled(2n), head: 6n, tailFirst: 5n }) })).toEqual([
      "woke s",
      "opened s",
    ]);
    expect(driver.do(pull)).toEqual(["read-log after 2"]);
    expect(driver.do(segments(segment(1n, 4)))).toEqual(["batch 3-4"]);
    expect(driver.do(pull)).toEqual(["read-tail 5"]);
    expect(driver.do(segments(segment(5n, 2)))).toEqual(["batch 5-6"]);
    expect(driver.do(pull)).toEqual(["caught-up 6"]);
    expect(driver.do(pull)).toEqual([]);
    expect(driver.do({ kind: "stored", head: 7n, tailFirst: 5n, newest: undefined })).toEqual(["read-tail 7"]);
    expect(driver.do(segments(segment(7n, 1)))).toEqual(["batch 7-7"]);
  });

  test("who waits for the newest segment has it at once, unless it lacks what comes next, or may not be sent", () => {
    const live = new Driver().awake({ head: 0n, tailFirst: 1n }, { maxInFlight: 3 });
    expect(live.do(pull, pull)).toEqual(["caught-up 0"]);
    expect(live.do({ kind: "stored", head: 2n, tailFirst: 1n, newest: segment(1n, 2) })).toEqual(["batch 1-2"]);
    // Not asked for; then there is more than the newest.
    expect(live.do({ kind: "stored", head: 4n, tailFirst: 1n, newest: segment(3n, 2) })).toEqual([]);
    expect(live.do({ kind: "stored", head: 6n, tailFirst: 1n, newest: segment(5n, 2) }, pull)).toEqual(["read-tail 3"]);
    expect(live.do(segments(segment(3n, 2)))).toEqual(["batch 3-3"]);
    expect(live.do(ack(3n), pull)).toEqual(["save 3 as 1", "batch 4-4"]);
    // Nothing more may be under way: it is not kept for later either.
    const full = new Driver().awake({ head: 0n, tailFirst: 1n }, { maxInFlight: 2 });
    full.do(pull, pull, { kind: "stored", head: 2n, tailFirst: 1n, newest: segment(1n, 2) });
    expect(full.do(pull, { kind: "stored", head: 4n, tailFirst: 1n, newest: segment(3n, 2) })).toEqual([]);
    expect(full.state.awake?.buffer).toEqual([]);
    expect(full.do(ack(2n))).toEqual(["save 2 as 1", "read-tail 3"]);
  });

  test("I1: sends each offset once, in order, whatever a chunk holds", () => {
    const driver = new Driver().awake({ settled: settled(5n), head: 12n, tailFirst: 13n });
    driver.do(pull);
    expect(driver.do(segments(segment(1n, 3), segment(4n, 4), segment(8n, 2)))).toEqual(["batch 6-7", "read-log after 9"]);
    expect(driver.do(pull)).toEqual(["batch 8-9"]);
    // What the buffer does not hold consecutively is read again, never jumped over.
    driver.do(pull);
    expect(driver.do(segments(segment(11n, 2)))).toEqual(["read-log after 9"]);
  });

  test("W9: does not send past the head that its receiver knows: another broker may have stored it after a gap that was not heard of here", () => {
    const driver = new Driver().awake({ head: 2n, tailFirst: 3n });
    driver.do(pull);
    expect(driver.do(segments(segment(1n, 2), segment(3n, 2)))).toEqual(["batch 1-2"]);
    expect(driver.do(pull)).toEqual(["caught-up 2"]);
    expect(driver.do(pull)).toEqual([]);
    expect(driver.do({ kind: "stored", head: 4n, tailFirst: 3n, newest: undefined })).toEqual(["read-tail 3"]);
    // Nor the rest of a segment that reaches over it.
    const cut = new Driver().awake({ head: 3n, tailFirst: 4n });
    cut.do(pull);
    expect(cut.do(segments(segment(1n, 5)))).toEqual(["batch 1-3"]);
  });

  test("I2: makes at most one frame of events per wish", () => {
    const driver = new Driver().awake({ head: 9n, tailFirst: 10n });
    driver.do(pull);
    expect(driver.do(segments(segment(1n, 3), segment(4n, 3)))).toEqual(["batch 1-3", "read-log after 6"]);
    expect(driver.do({ kind: "stored", head: 10n, tailFirst: 10n, newest: undefined }, { kind: "ping", sessionId: "s" })).toEqual([]);
    expect(driver.do(pull)).toEqual(["batch 4-6"]);
  });

  test("I1, I2: the next chunk is read while this one is sent; what comes early waits", () => {
    const driver = new Driver().awake({ head: 40n, tailFirst: 31n });
    driver.do(pull);
    const chunk = [segment(1n, 2), segment(3n, 2), segment(5n, 2), segment(7n, 2), segment(9n, 2)];
    expect(driver.do(segments(...chunk), pull)).toEqual(["batch 1-2", "batch 3-4"]);
    // One segment is left: one read, not one for each frame.
    expect(driver.do(pull, pull)).toEqual(["batch 5-6", "batch 7-8", "read-log after 10"]);
    expect(driver.do(segments(segment(11n, 10)))).toEqual([]);
    expect(driver.do(pull, pull)).toEqual(["batch 9-10", "read-log after 20", "batch 11-20"]);
    expect(driver.do(ack(20n))).toEqual(["save 20 as 1"]);
  });

  test("W8: who takes a segment in many frames makes no more than the next chunk be read", () => {
    const driver = new Driver().awake({ head: 400n, tailFirst: 401n }, { maxInFlight: 1 });
    driver.do(pull);
    expect(driver.do(segments(segment(1n, 100)))).toEqual(["batch 1-1", "read-log after 100"]);
    driver.do(segments(segment(101n, 100)));
    for (let offset = 1n; offset < 50n; offset += 1n) expect(driver.do(pull, ack(offset)).join()).not.toContain("read-log");
    expect(driver.state.awake?.buffer).toHaveLength(2);
  });

  test("I1, W9: a gap that is met while reading ahead is told after what lies before it, in its own frame", () => {
    const driver = new Driver().awake({ head: 40n, tailFirst: 31n });
    const gap = { kind: "pruned", firstOffset: 5n, lastOffset: 30n, reason: "age" } as const;
    const pruned = { kind: "pruned", sessionId: "s", gap } as const;
    expect(driver.do(pull, segments(segment(1n, 2), segment(3n, 2)))).toEqual(["read-log after 0", "batch 1-2", "read-log after 4"]);
    expect(driver.do(pruned)).toEqual([]);
    // Nobody asks yet; then it is met again.
    expect(driver.do(pull, pruned)).toEqual(["batch 3-4", "read-log after 4"]);
    expect(driver.do(pull)).toEqual(["read-log after 4"]);
    expect(driver.do(pruned)).toEqual(["gap 5-30"]);
    expect(driver.do(pull)).toEqual(["read-tail 31"]);
  });

  test("W11: what is read ahead while the store is away is asked again, and does not hold up what was read", () => {
    const driver = new Driver().awake({ head: 40n, tailFirst: 31n });
    driver.do(pull, segments(segment(1n, 2), segment(3n, 2)));
    expect(driver.do({ kind: "read-failed", sessionId: "s", error: away })).toEqual(["retry-read s"]);
    expect(driver.do(pull, pull)).toEqual(["batch 3-4"]);
    expect(driver.do({ kind: "read-retry", sessionId: "s" })).toEqual(["read-log after 4"]);
  });

  test("I3: waits for acks when max_in_flight is reached", () => {
    const driver = new Driver().awake({ head: 9n, tailFirst: 10n }, { maxInFlight: 4 });
    driver.do(pull);
    expect(driver.do(segments(segment(1n, 9)))).toEqual(["batch 1-4"]);
    expect(driver.do(pull)).toEqual([]);
    expect(driver.do(ack(3n))).toEqual(["save 3 as 1", "batch 5-7"]);
    driver.do(pull);
    expect(driver.do(ack(7n))).toEqual(["save 7 as 1", "batch 8-9"]);
  });

  test("I3: does not count a pruned range twice when it is acked itself", () => {
    const driver = new Driver().awake({ head: 20n, tailFirst: 1n }, { maxInFlight: 4 });
    const gap = { kind: "pruned", firstOffset: 4n, lastOffset: 10n, reason: "age" } as const;
    driver.do(pull, segments(segment(1n, 3)), pull, { kind: "pruned", sessionId: "s", gap });
    // As the SDK does: what will not come is done.
    expect(driver.do(ack(0n, [4n, 10n]))).toEqual(["save 0 4-10 as 1"]);
    expect(driver.do(pull, segments(segment(11n, 10)))).toEqual(["read-tail 11", "batch 11-11"]);
    // Or a part of it.
    expect(driver.do(pull, ack(6n))).toEqual(["save 10 as 1", "batch 12-14"]);
  });

  test("I3: does not count a pruned range as in flight", () => {
    const driver = new Driver().awake({ head: 1000n, tailFirst: 1001n }, { maxInFlight: 2 });
    driver.do(pull);
    const gap = { kind: "pruned", firstOffset: 1n, lastOffset: 990n, reason: "age" } as const;
    expect(driver.do({ kind: "pruned", sessionId: "s", gap })).toEqual(["gap 1-990"]);
    expect(driver.do(pull)).toEqual(["read-log after 990"]);
    expect(driver.do(segments(segment(985n, 10)))).toEqual(["batch 991-992", "read-log after 994"]);
    expect(driver.do(ack(992n), pull)).toEqual(["save 992 as 1", "batch 993-994"]);
  });

  test("I4: takes no ack below the last one or above what was sent", () => {
    const driver = new Driver().awake({ head: 5n, tailFirst: 6n });
    driver.do(pull, segments(segment(1n, 5)));
    expect(driver.do(ack(6n))).toEqual([]);
    expect(driver.do(ack(4n))).toEqual(["save 4 as 1"]);
    expect(driver.do(ack(4n), ack(3n))).toEqual([]);
    expect(driver.state.awake?.settled).toEqual(settled(4n));
    expect(driver.do({ kind: "saved", token: 1n, settled: settled(4n) })).toEqual(["acked 4"]);
    expect(driver.do({ kind: "saved", token: 9n, settled: settled(5n) })).toEqual([]);
  });

  test("I5: takes the token, then ends the old session, then opens the new one", () => {
    const driver = new Driver().awake({ head: 0n });
    expect(driver.do({ kind: "open", session: spec("new", { onConflict: "take-over" }) })).toEqual(["claim new"]);
    expect(driver.state.awake?.session.sessionId).toBe("s");
    expect(driver.do({ kind: "claimed", sessionId: "new", grant: grant({ token: 2n }) })).toEqual([
      "end s TAKEN_OVER",
      "slept taken-over",
      "woke new",
      "opened new",
    ]);
    expect(driver.do(ack(0n), pull)).toEqual([]);
  });

  test("W6: the same instance takes over itself, another one stands by or is rejected", () => {
    const driver = new Driver().awake({}, { instanceId: "a" });
    expect(driver.do({ kind: "open", session: spec("other", { instanceId: "b" }) })).toEqual(["stand-by other"]);
    expect(driver.do({ kind: "open", session: spec("third", { onConflict: "reject" }) })).toEqual(["end third CONSUMER_BUSY"]);
    expect(driver.do({ kind: "open", session: spec("again", { instanceId: "a" }) })).toEqual(["claim again"]);
    driver.do({ kind: "claimed", sessionId: "again", grant: grant({ token: 2n }) });
    expect(driver.do({ kind: "stop", sessionId: "again", reason: "stream-ended" })).toEqual([
      "end again ok",
      "slept stream-ended",
      "claim other",
    ]);
  });

  test("W6: of many that take over at once the last one wins", () => {
    const driver = new Driver();
    const opens = ["a", "b", "c"].map((id): ConsumerInput => ({ kind: "open", session: spec(id, { onConflict: "take-over" }) }));
    expect(driver.do(...opens)).toEqual(["claim a"]);
    expect(driver.do({ kind: "claimed", sessionId: "a", grant: grant() })).toEqual(["woke a", "opened a", "end b TAKEN_OVER", "claim c"]);
  });

  test("I6: drops a grant for a session that left", () => {
    const driver = new Driver().awake();
    driver.do({ kind: "open", session: spec("new", { onConflict: "take-over" }) });
    expect(driver.do({ kind: "stop", sessionId: "new", reason: "stream-ended" })).toEqual(["end new ok"]);
    expect(driver.do({ kind: "claimed", sessionId: "new", grant: grant({ token: 2n }) })).toEqual(["end s FENCED", "slept taken-over"]);
    expect(driver.state.awake).toBeUndefined();
  });

  test("I7: says caught up once, when all that is stored was sent", () => {
    const driver = new Driver().awake({ head: 2n, tailFirst: 1n });
    expect(driver.do(pull, segments(segment(1n, 2)))).toEqual(["read-tail 1", "batch 1-2"]);
    expect(driver.do(pull, pull)).toEqual(["caught-up 2"]);
    expect(driver.do({ kind: "stored", head: 9n, tailFirst: 6n, newest: undefined })).toEqual(["fell-behind 2"]);
    expect(driver.do(pull, segments(segment(3n, 7)), pull)).toEqual(["read-log after 2", "batch 3-9", "caught-up 9"]);
  });

  test("I8: tells a gap at its place", () => {
    const missed = { kind: "missed", afterOffset: 3n, fromTime: 1, toTime: 2, reason: "queue gone" } as const;
    const driver = new Driver().awake({ head: 6n, tailFirst: 1n, gaps: [missed] });
    expect(driver.do(pull, segments(segment(1n, 6)))).toEqual(["read-tail 1", "batch 1-3"]);
    expect(driver.do(pull)).toEqual(["gap after 3"]);
    expect(driver.do(pull, segments(segment(1n, 6)))).toEqual(["batch 4-6"]);
    driver.do(pull, pull);
    expect(driver.do({ kind: "gap-recorded", gap: { ...missed, afterOffset: 6n } })).toEqual(["gap after 6"]);
  });

  test("I9: counts un-acked events without a sign of life as silence, a quiet topic not", () => {
    const driver = new Driver().awake({ head: 1n, tailFirst: 1n }, { sessionTimeoutMs: 100_000 });
    driver.do(pull, segments(segment(1n, 1)), pull);
    driver.now = 99_999;
    driver.do({ kind: "ping", sessionId: "s" }, pull, { kind: "tick" });
    driver.now = 199_998;
    expect(driver.do(pull, { kind: "tick" })).toEqual(["heartbeat s"]);
    driver.do(pull);
    driver.now = 199_999;
    expect(driver.do({ kind: "tick" })).toEqual(["end s SESSION_SILENT", "slept silent"]);

    const quiet = new Driver().awake({ head: 1n, tailFirst: 1n });
    quiet.do(pull, segments(segment(1n, 1)), ack(1n), pull, pull);
    quiet.now = 10_000_000;
    expect(quiet.do({ kind: "tick" })).toEqual(["heartbeat s"]);
    expect(quiet.state.awake?.frameAt).toBeGreaterThan(Times.heartbeatMs);
  });

  test("W9: tells no pruned range past the head that its receiver knows", () => {
    const driver = new Driver().awake({ head: 8n, tailFirst: 9n });
    const gap = { kind: "pruned", firstOffset: 1n, lastOffset: 17n, reason: "age" } as const;
    expect(driver.do(pull, { kind: "pruned", sessionId: "s", gap })).toEqual(["read-log after 0", "gap 1-8"]);
    expect(driver.do(pull)).toEqual(["caught-up 8"]);
    expect(driver.do(ack(8n))).toEqual(["save 8 as 1"]);
  });

  test("W9: tells that events may be missing before a pruned range in which that place lies: once the range is acked nobody would", () => {
    const missed = { kind: "missed", afterOffset: 2n, fromTime: 0, toTime: 1, reason: "queue lost" } as const;
    const driver = new Driver().awake({ head: 9n, tailFirst: 9n, gaps: [missed, { ...missed, afterOffset: 5n }] });
    const gap = { kind: "pruned", firstOffset: 1n, lastOffset: 5n, reason: "age" } as const;
    const pruned = { kind: "pruned", sessionId: "s", gap } as const;
    expect(driver.do(pull, pruned)).toEqual(["read-log after 0", "gap after 2"]);
    // At its end: told after it, for a session that starts there is told too.
    expect(driver.do(pull, pruned)).toEqual(["read-log after 0", "gap 1-5"]);
    expect(driver.do(pull)).toEqual(["gap after 5"]);
  });

  test("W9: fails at a pruned gap on request, before anything after it, and stays before it", () => {
    const driver = new Driver().awake({ head: 20n, tailFirst: 21n, settled: settled(2n) }, { onGap: "fail" });
    driver.do({ kind: "open", session: spec("waits") });
    driver.do(pull);
    const gap = { kind: "pruned", firstOffset: 3n, lastOffset: 10n, reason: "age" } as const;
    expect(driver.do({ kind: "pruned", sessionId: "s", gap })).toEqual(["end s GAP_MET", "slept gap", "claim waits"]);
    expect(driver.state.settled).toEqual(settled(2n));
  });

  test("W9: fails at a missed gap on request, wherever it comes from, after all that is before it", () => {
    const missed = { kind: "missed", afterOffset: 3n, fromTime: 0, toTime: 1, reason: "gone" } as const;
    const driver = new Driver().awake({ head: 6n, tailFirst: 1n, gaps: [missed] }, { onGap: "fail" });
    expect(driver.do(pull, segments(segment(1n, 6)), ack(3n))).toEqual(["read-tail 1", "batch 1-3", "save 3 as 1"]);
    expect(driver.do(pull)).toEqual(["end s GAP_MET", "slept gap"]);
    expect(driver.state.settled).toEqual(settled(3n));
    const live = new Driver().awake({ head: 0n }, { onGap: "fail" });
    live.do(pull);
    expect(live.do(pull, { kind: "gap-recorded", gap: { ...missed, afterOffset: 0n } })).toEqual(["end s GAP_MET", "slept gap"]);
  });

  test("W8: a stream that takes no frame is put to sleep", () => {
    const driver = new Driver().awake({ head: 1n, tailFirst: 1n }, { ackMode: "auto", sessionTimeoutMs: 1_000 });
    driver.do(pull, segments(segment(1n, 1)));
    driver.now = 1_000;
    expect(driver.do({ kind: "tick" })).toEqual(["end s SESSION_SILENT", "slept silent"]);
  });

  test("acks by itself in AUTO mode, when the frame was handed over", () => {
    const driver = new Driver().awake({ head: 3n, tailFirst: 1n }, { ackMode: "auto" });
    expect(driver.do(pull, segments(segment(1n, 3)))).toEqual(["read-tail 1", "batch 1-3"]);
    expect(driver.do(pull)).toEqual(["save 3 as 1", "caught-up 3"]);
  });

  test("W11: reads again when the store was away, and ends on any other failure", () => {
    const driver = new Driver().awake({ head: 3n, tailFirst: 4n });
    driver.do(pull);
    expect(driver.do({ kind: "read-failed", sessionId: "s", error: away })).toEqual(["retry-read s"]);
    expect(driver.do({ kind: "read-retry", sessionId: "s" })).toEqual(["read-log after 0"]);
    const bug = new WarrenError("ILLEGAL_STATE", "hole");
    expect(driver.do({ kind: "read-failed", sessionId: "s", error: bug })).toEqual(["end s ILLEGAL_STATE", "slept failed"]);
  });

  test("ends every session of the name when the receiver is shut, and drops the grant that is under way", () => {
    const driver = new Driver().awake();
    driver.do({ kind: "open", session: spec("waits") }, { kind: "open", session: spec("new", { onConflict: "take-over" }) });
    const error = new WarrenError("DRAINING", "drain");
    expect(driver.do({ kind: "shut", error })).toEqual(["end waits DRAINING", "end new DRAINING", "end s DRAINING", "slept draining"]);
    expect(driver.do({ kind: "claimed", sessionId: "new", grant: grant({ token: 2n }) })).toEqual([]);
    expect(driver.state).toEqual({ ...asleep(settled(0n)), tookOverAt: 0 });
  });

  test("a failed claim leaves the open session alone", () => {
    const driver = new Driver().awake();
    driver.do({ kind: "open", session: spec("new", { onConflict: "take-over" }) });
    expect(driver.do({ kind: "claim-failed", sessionId: "new", error: away })).toEqual(["end new STORE_UNAVAILABLE"]);
    expect(driver.state.awake?.session.sessionId).toBe("s");
  });
});
