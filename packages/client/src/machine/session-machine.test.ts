import { describe, expect, test } from "vitest";
import { startSession, stepSession, type SessionInput, type SessionState } from "./session-machine.ts";

function drive(...inputs: readonly SessionInput[]) {
  let { state }: { state: SessionState } = startSession();
  const effects: string[] = [];
  for (const input of inputs) {
    const step = stepSession(state, input);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "ack") effects.push(`ack ${effect.upTo}`);
      else if (effect.kind === "hand-over") effects.push(`hand-over from ${effect.from}`);
      else if (effect.kind === "finish") effects.push(`finish ${effect.code ?? "ok"}`);
      else effects.push(effect.kind);
    }
  }
  return { state, effects };
}

const opened = (token: bigint, afterOffset: bigint, logId = "log"): SessionInput => ({ kind: "opened", token, logId, afterOffset });
const batch = (firstOffset: bigint, count: number): SessionInput => ({ kind: "batch", firstOffset, count });
const done = (offset: bigint): SessionInput => ({ kind: "done", offset });
const lost: SessionInput = { kind: "ended", code: "TRANSPORT_UNAVAILABLE" };

describe("stepSession()", () => {
  test("W7: acks the low-water mark of what is done, in whatever order it gets done", () => {
    expect(drive(opened(1n, 0n), batch(1n, 4), done(3n), done(1n), done(2n), done(4n)).effects).toEqual([
      "hand-over from 0",
      "ack 1",
      "ack 3",
      "ack 4",
    ]);
  });

  test("W5: hands each event over once per process, and acks what was done between two sessions when it comes again", () => {
    const { effects } = drive(
      opened(1n, 0n),
      batch(1n, 3),
      done(1n),
      lost,
      done(2n),
      { kind: "due" },
      opened(2n, 1n),
      batch(2n, 1),
      batch(3n, 2),
    );
    expect(effects).toEqual(["hand-over from 0", "ack 1", "connect-later", "connect", "ack 2", "hand-over from 1"]);
  });

  test("W6: drops a stream whose token is older than one it has seen", () => {
    expect(drive(opened(5n, 0n), lost, { kind: "due" }, opened(4n, 0n)).effects).toEqual(["connect-later", "connect", "drop-stream"]);
  });

  test("opens again with a growing number of failures, and from the start after success", () => {
    const { state, effects } = drive(lost, { kind: "due" }, lost, { kind: "due" }, opened(1n, 0n));
    expect(effects).toEqual(["connect-later", "connect", "connect-later", "connect"]);
    expect(state.attempt).toBe(0);
  });

  test("ends for good when it was taken over or cannot be served", () => {
    for (const code of ["TAKEN_OVER", "CONFIG_MISMATCH", "PAST_NOT_AVAILABLE"] as const) {
      expect(drive({ kind: "ended", code }, { kind: "due" }, lost).effects).toEqual([`finish ${code}`]);
    }
    expect(drive({ kind: "close" }, lost).effects).toEqual(["drop-stream", "finish ok"]);
  });

  test("passes over what a gap says will not come", () => {
    expect(drive(opened(1n, 0n), batch(1n, 1), done(1n), { kind: "skipped", lastOffset: 9n }, batch(10n, 1), done(10n)).effects).toEqual([
      "hand-over from 0",
      "ack 1",
      "ack 9",
      "hand-over from 0",
      "ack 10",
    ]);
  });

  test("begins anew when the log is another one", () => {
    const { state } = drive(opened(1n, 0n), batch(1n, 5), done(1n), lost, { kind: "due" }, opened(2n, 0n, "other"));
    expect([state.handed, state.lowWater]).toEqual([0n, 0n]);
  });
});
