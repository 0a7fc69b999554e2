import { Limits, WarrenError } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import type { ConsumerInput } from "./consumer-state.ts";
import type { SideEvent } from "./sides.ts";
import { ack, Driver, grant, pull, segment, segments, settled, spec } from "./testing/consumer-driver.ts";

const parked = (offset: bigint): ConsumerInput => ({ kind: "parked", sessionId: "s", offset });
const side = (deliveryId: bigint): SideEvent => ({ deliveryId, batch: segment(deliveryId, 1), reason: "why", attempts: 1 });
const sides = (more: boolean, ...ids: readonly bigint[]): ConsumerInput => ({ kind: "sides", sessionId: "s", events: ids.map(side), more });
const sideAck = (...deliveryIds: readonly bigint[]): ConsumerInput => ({ kind: "ack", sessionId: "s", upTo: 0n, ranges: [], deliveryIds });

/** A session that was sent offsets 1 to `count`. */
function sent(count: number, maxInFlight = 100): Driver {
  const driver = new Driver().awake({ head: BigInt(count), tailFirst: 1n }, { maxInFlight });
  driver.do(pull, segments(segment(1n, count)));
  return driver;
}

describe("settling by ranges", () => {
  test("W7: the low-water mark follows when nothing is missing below it", () => {
    const driver = sent(10);
    expect(driver.do(ack(0n, [3n, 4n]))).toEqual(["save 0 3-4 as 1"]);
    expect(driver.do(ack(0n, [7n, 7n], [3n, 5n]))).toEqual(["save 0 3-5 7-7 as 1"]);
    expect(driver.do(ack(0n, [4n, 5n]))).toEqual([]);
    expect(driver.do(ack(2n))).toEqual(["save 5 7-7 as 1"]);
    expect(driver.do(ack(0n, [6n, 6n]))).toEqual(["save 7 as 1"]);
    expect(driver.do(ack(0n, [8n, 11n]))).toEqual([]);
    expect(driver.do({ kind: "saved", token: 1n, settled: settled(5n, [7n, 7n]) })).toEqual(["acked 5 7-7"]);
  });

  test("makes room in max_in_flight", () => {
    const driver = new Driver().awake({ head: 9n, tailFirst: 10n }, { maxInFlight: 4 });
    driver.do(pull, segments(segment(1n, 9)), pull);
    expect(driver.do(ack(0n, [3n, 4n]))).toEqual(["save 0 3-4 as 1", "batch 5-6"]);
  });

  test("W5: what an earlier session settled is listed when it opens, and not sent", () => {
    const driver = new Driver().awake({ settled: settled(2n, [4n, 5n], [9n, 9n]), head: 9n, tailFirst: 1n });
    expect(driver.state.awake?.settled).toEqual(settled(2n, [4n, 5n], [9n, 9n]));
    expect(driver.do(pull, segments(segment(1n, 9)))).toEqual(["read-tail 3", "batch 3-3"]);
    // The mark rises over a range that was listed: still it is not sent.
    expect(driver.do(ack(3n))).toEqual(["save 5 9-9 as 1"]);
    expect(driver.do(pull)).toEqual(["batch 6-8"]);
    expect(driver.do(pull)).toEqual(["caught-up 9"]);
    expect(driver.do(ack(8n))).toEqual(["save 9 as 1"]);
  });

  test("survives a sleep", () => {
    const driver = sent(5);
    driver.do(ack(1n, [3n, 4n]), { kind: "stop", sessionId: "s", reason: "stream-ended" });
    expect(driver.state.settled).toEqual(settled(1n, [3n, 4n]));
  });

  test("W9: a pruned range is settled when something above it is acked, not before: then its gap was met", () => {
    const driver = new Driver().awake({ head: 20n, tailFirst: 21n });
    driver.do(pull);
    driver.do({ kind: "pruned", sessionId: "s", gap: { kind: "pruned", firstOffset: 1n, lastOffset: 10n, reason: "age" } });
    expect(driver.state.awake?.settled).toEqual(settled(0n));
    driver.do(pull, segments(segment(11n, 10)));
    expect(driver.do(ack(0n, [12n, 12n]))).toEqual(["save 10 12-12 as 1"]);
  });
});

describe("parking", () => {
  test("W7: a parked event is settled, and the rest goes on", () => {
    const driver = sent(5, 5);
    driver.do(pull);
    expect(driver.do(parked(2n))).toContain("save 0 2-2 as 1");
    expect(driver.do(ack(1n))).toEqual(["save 2 as 1"]);
  });

  test("the breaker asks for a pause when half of the last events were parked; acks between keep it closed", () => {
    const window = Limits.breakerWindow;
    const driver = sent(200);
    const told: string[] = [];
    for (let offset = 1n; offset <= window; offset += 1n) told.push(...driver.do(offset % 3n === 0n ? parked(offset) : ack(offset)));
    expect(told).not.toContain("pause");
    for (let offset = BigInt(window) + 1n; !told.includes("pause"); offset += 1n) told.push(...driver.do(parked(offset)));
    expect(driver.state.awake?.outcomes.filter((outcome) => outcome === "parked")).toHaveLength(window / 2);
  });
});

describe("pausing", () => {
  test("nothing is sent while paused; acks are taken; resuming goes on", () => {
    const driver = new Driver().awake({ head: 4n, tailFirst: 1n });
    driver.do(pull, segments(segment(1n, 2)));
    expect(driver.do({ kind: "paused", reason: "by hand" })).toEqual(["paused s"]);
    expect(driver.do(pull, { kind: "stored", head: 5n, tailFirst: 1n, newest: undefined })).toEqual([]);
    expect(driver.do(ack(1n))).toEqual(["save 1 as 1"]);
    expect(driver.do({ kind: "resumed" })).toEqual(["resumed s"]);
    expect(driver.do(pull)).toEqual(["read-tail 3"]);
    expect(driver.do({ kind: "resumed" })).toEqual([]);
  });

  test("a paused consumer that wakes is told so, and gets nothing", () => {
    const driver = new Driver();
    driver.do({ kind: "open", session: spec("s") });
    expect(driver.do({ kind: "claimed", sessionId: "s", grant: grant({ head: 3n, paused: "why" }) })).toEqual([
      "woke s",
      "opened s",
      "paused s",
    ]);
    expect(driver.do(pull)).toEqual([]);
  });

  test("an operator's move ends every session of the name, which begins at the new place", () => {
    const driver = sent(5);
    driver.do({ kind: "open", session: spec("waits") });
    const error = new WarrenError("CONSUMER_MOVED", "moved");
    expect(driver.do({ kind: "moved", settled: settled(1n, [3n, 3n]), error })).toEqual([
      "end waits CONSUMER_MOVED",
      "end s CONSUMER_MOVED",
      "slept moved",
    ]);
    expect(driver.state.settled).toEqual(settled(1n, [3n, 3n]));
  });
});

describe("side deliveries", () => {
  test("W5: come off the line of offsets, before it, and are settled by their ids", () => {
    const driver = new Driver();
    driver.do({ kind: "open", session: spec("s") }, { kind: "claimed", sessionId: "s", grant: grant({ head: 2n, retrying: true }) });
    expect(driver.do(pull)).toEqual(["load-sides after 0", "read-tail 1"]);
    driver.do(segments(segment(1n, 2)));
    driver.do(sides(true, 7n, 8n));
    expect(driver.do(pull)).toEqual(["side 7"]);
    // The next chunk is read when the last one was sent.
    expect(driver.do(pull)).toEqual(["side 8"]);
    expect(driver.do(sideAck(7n, 8n, 99n))).toEqual(["settle-sides 7,8", "load-sides after 8"]);
    expect(driver.do(sides(false, 9n))).toEqual([]);
    expect(driver.do({ kind: "sides-settled", sessionId: "s", deliveryIds: [7n, 8n] })).toEqual(["acked 0 side 7 side 8"]);
    expect(driver.do(pull, pull)).toEqual(["side 9", "caught-up 2"]);
  });

  test("wait while too many are not settled, and are read again when an operator asks", () => {
    const driver = new Driver().awake({ head: 0n });
    const ids = Array.from({ length: Limits.sideDeliveries + 1 }, (_, i) => BigInt(i + 1));
    expect(driver.do({ kind: "retry-asked" })).toEqual(["load-sides after 0"]);
    driver.do(sides(false, ...ids));
    const told = ids.flatMap(() => driver.do(pull));
    expect(told.filter((each) => each.startsWith("side"))).toHaveLength(Limits.sideDeliveries);
    driver.do(sideAck(1n), { kind: "sides-settled", sessionId: "s", deliveryIds: [1n] });
    expect(driver.do(pull)).toContain(`side ${Limits.sideDeliveries + 1}`);
    expect(driver.do({ kind: "retry-asked" })).toEqual([`load-sides after ${ids.length}`]);
  });

  test("not settled for the session's time-out are silence", () => {
    const driver = new Driver().awake({ head: 0n }, { sessionTimeoutMs: 1_000 });
    driver.do({ kind: "retry-asked" }, sides(false, 1n), pull, pull);
    driver.now = 1_000;
    expect(driver.do({ kind: "tick" })).toEqual(["end s SESSION_SILENT", "slept silent"]);
  });
});
