import { Times } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { Driver, grant, pull, settled, spec } from "./testing/consumer-driver.ts";

const takeOver = (id: string) => ({ kind: "open", session: spec(id, { onConflict: "take-over" }) }) as const;
const granted = (sessionId: string, token: bigint) => ({ kind: "claimed", sessionId, grant: grant({ token }) }) as const;

describe("sessions that want one name", () => {
  test("I10: two take-overs of a name are at least so far apart; meanwhile the last one that came waits", () => {
    const driver = new Driver().awake();
    driver.now = 1_000;
    expect(driver.do(takeOver("b"))).toEqual(["claim b"]);
    driver.do(granted("b", 2n));
    driver.now = 1_050;
    expect(driver.do(takeOver("c"))).toEqual([`claim-later ${Times.takeOverMs - 50}`]);
    driver.now = 1_100;
    expect(driver.do(takeOver("d"))).toEqual(["end c TAKEN_OVER", `claim-later ${Times.takeOverMs - 100}`]);
    driver.now = 1_199;
    expect(driver.do({ kind: "claim-due" })).toEqual(["claim-later 1"]);
    driver.now = 1_200;
    expect(driver.do({ kind: "claim-due" })).toEqual(["claim d"]);
    expect(driver.do({ kind: "claim-due" })).toEqual([]);
    expect(driver.do(granted("d", 3n))).toEqual(["end b TAKEN_OVER", "slept taken-over", "woke d", "opened d"]);
    expect(driver.do({ kind: "claim-due" })).toEqual([]);
  });

  test("I10: who waits to take over is first in line when the holder leaves", () => {
    const driver = new Driver().awake();
    driver.do({ kind: "open", session: spec("standby") }, takeOver("b"), granted("b", 2n));
    expect(driver.do(takeOver("c"))).toEqual([`claim-later ${Times.takeOverMs}`]);
    expect(driver.do({ kind: "stop", sessionId: "b", reason: "stream-ended" })).toEqual(["end b ok", "slept stream-ended", "claim c"]);
    driver.do(granted("c", 3n));
    driver.now = Times.takeOverMs;
    expect(driver.do({ kind: "claim-due" })).toEqual([]);
    expect(driver.state.waiting.map(({ sessionId }) => sessionId)).toEqual(["standby"]);
  });

  test("tells who stands by so again with every heartbeat", () => {
    const driver = new Driver().awake();
    driver.now = 5_000;
    expect(driver.do({ kind: "open", session: spec("b") })).toEqual(["stand-by b"]);
    driver.now = 10_000;
    expect(driver.do(pull, { kind: "open", session: spec("c") })).toEqual(["caught-up 0", "stand-by c"]);
    driver.now = 5_000 + Times.heartbeatMs - 1;
    expect(driver.do({ kind: "tick" })).toEqual([]);
    driver.now += 1;
    expect(driver.do({ kind: "tick" })).toEqual(["stand-by b", "stand-by c"]);
    driver.now += 1_000;
    expect(driver.do({ kind: "tick" })).toEqual([]);
  });

  test("M6: who was moved, deleted or taken over at another broker is told which of it, and may open again unless another session has the name", () => {
    const awake = () => new Driver().awake({ token: 5n, moves: 1n });
    const lookedUp = (token: bigint, moves: bigint) =>
      ({ kind: "looked-up", token: 5n, kept: { token, moves, settled: settled(3n) } }) as const;
    const moved = awake();
    expect(moved.do(lookedUp(6n, 2n))).toEqual(["end s CONSUMER_MOVED", "slept moved"]);
    expect(moved.state.settled).toEqual(settled(3n));
    expect(awake().do(lookedUp(6n, 1n))).toEqual(["end s TAKEN_OVER", "slept taken-over"]);
    // Deleted and made anew.
    expect(awake().do(lookedUp(6n, 0n))).toEqual(["end s TAKEN_OVER", "slept taken-over"]);
    expect(awake().do({ kind: "looked-up", token: 5n, kept: undefined })).toEqual(["end s CONSUMER_DELETED", "slept moved"]);
    // Nothing happened; or the answer is older than the session, or was asked for another one.
    expect(awake().do(lookedUp(5n, 1n), lookedUp(4n, 0n), { kind: "looked-up", token: 4n, kept: undefined })).toEqual([]);
    // Claimed here at this moment: the claim tells.
    const claiming = awake();
    claiming.do(takeOver("b"));
    expect(claiming.do(lookedUp(6n, 1n))).toEqual([]);
  });
});
