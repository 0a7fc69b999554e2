import { Times } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { Driver, grant, pull, spec } from "./testing/consumer-driver.ts";

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
});
