import type { Settled } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { startSession, stepSession, type SessionInput, type SessionState } from "./session-machine.ts";

function drive(...inputs: readonly SessionInput[]) {
  let { state }: { state: SessionState } = startSession();
  const effects: string[] = [];
  for (const input of inputs) {
    const step = stepSession(state, input);
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === "ack")
        effects.push(["ack", effect.settled.mark, ...effect.settled.ranges.map(({ first, last }) => `${first}-${last}`)].join(" "));
      else if (effect.kind === "park") effects.push(`park ${effect.offset} ${effect.failure.reason}`);
      else if ("deliveryId" in effect) effects.push(`${effect.kind} ${effect.deliveryId}`);
      else if (effect.kind === "hand-over") effects.push(`hand-over from ${effect.from}`);
      else if (effect.kind === "finish") effects.push(`finish ${effect.code ?? "ok"}`);
      else effects.push(effect.kind);
    }
  }
  return { state, effects };
}

const opened = (
  token: bigint,
  afterOffset: bigint,
  more: { readonly logId?: string; readonly settled?: Settled["ranges"]; readonly moves?: bigint } = {},
) => ({ kind: "opened", token, logId: "log", afterOffset, settled: [], moves: 0n, ...more }) as const;
const batch = (firstOffset: bigint, count: number): SessionInput => ({ kind: "batch", firstOffset, count });
const done = (offset: bigint, moves = 0n): SessionInput => ({ kind: "done", ranges: [{ first: offset, last: offset }], moves });
const failed = (offset: bigint): SessionInput => ({ kind: "failed", offset, moves: 0n, failure: { reason: "why", attempts: 2 } });
const acked = (mark: bigint, ...ranges: Settled["ranges"]): SessionInput => ({ kind: "acked", settled: { mark, ranges }, deliveryIds: [] });
const lost: SessionInput = { kind: "ended", code: "TRANSPORT_UNAVAILABLE" };

describe("stepSession()", () => {
  test("W7: acks what is done, in whatever order it gets done: the low-water mark and ranges above it", () => {
    expect(drive(opened(1n, 0n), batch(1n, 4), done(3n), done(1n), done(2n), done(4n)).effects).toEqual([
      "hand-over from 0",
      "ack 0 3-3",
      "ack 1 3-3",
      "ack 3",
      "ack 4",
    ]);
  });

  test("W5: what `opened` lists as settled is done, and not waited for", () => {
    const { state, effects } = drive(
      opened(1n, 2n, { settled: [{ first: 4n, last: 5n }] }),
      batch(3n, 1),
      batch(6n, 1),
      done(6n),
      done(3n),
    );
    expect(effects).toEqual(["hand-over from 0", "hand-over from 0", "ack 2 4-6", "ack 6"]);
    expect(state.done).toEqual({ mark: 6n, ranges: [] });
  });

  test("W7: a failed event is parked, never acked, until the broker says that it is settled", () => {
    const { state, effects } = drive(opened(1n, 0n), batch(1n, 3), failed(2n), done(1n), done(3n), acked(1n, { first: 2n, last: 3n }));
    expect(effects).toEqual(["hand-over from 0", "park 2 why", "ack 1", "ack 1 3-3"]);
    expect(state.done).toEqual({ mark: 3n, ranges: [] });
    expect(state.parks.size).toBe(0);
  });

  test("W7: a park that was not heard is said again when its event came in the next session, once", () => {
    const again = [lost, { kind: "due" } as const, opened(2n, 0n)];
    expect(drive(opened(1n, 0n), batch(1n, 2), failed(2n), ...again, batch(1n, 1), batch(2n, 1), batch(3n, 1)).effects).toEqual([
      "hand-over from 0",
      "park 2 why",
      "connect-later",
      "connect",
      "park 2 why",
      "hand-over from 0",
    ]);
    // Heard after all: then it is settled.
    expect(drive(opened(1n, 0n), batch(1n, 2), failed(2n), lost, { kind: "due" }, opened(2n, 2n)).state.parks.size).toBe(0);
  });

  test("what the broker cannot park is done", () => {
    expect(drive(opened(1n, 0n), batch(1n, 1), failed(1n), { kind: "park-refused", offset: 1n }).effects).toEqual([
      "hand-over from 0",
      "park 1 why",
      "ack 1",
    ]);
  });

  test("begins anew after an operator moved the consumer; what was handed over before settles nothing", () => {
    const moved = [{ kind: "ended", code: "CONSUMER_MOVED" } as const, { kind: "due" } as const, opened(2n, 1n, { moves: 1n })];
    const { effects, state } = drive(opened(1n, 0n), batch(1n, 5), done(1n), ...moved, batch(2n, 4), done(4n), done(2n, 1n));
    expect(effects).toEqual(["hand-over from 0", "ack 1", "connect-later", "connect", "hand-over from 0", "ack 2"]);
    expect(state.handed).toBe(5n);
  });

  test("W5: hands a side delivery over once per process, and tells what became of it in every session until it is settled", () => {
    const side = (deliveryId: bigint): SessionInput => ({ kind: "side", deliveryId });
    const again = [lost, { kind: "due" } as const, opened(2n, 0n)];
    const failure = { reason: "still", attempts: 1 };
    const { effects, state } = drive(
      opened(1n, 0n),
      side(7n),
      side(8n),
      { kind: "side-done", deliveryId: 7n },
      { kind: "side-failed", deliveryId: 8n, failure },
      ...again,
      side(7n),
      side(8n),
      { kind: "acked", settled: { mark: 0n, ranges: [] }, deliveryIds: [7n, 8n] },
    );
    const told = ["hand-side 7", "hand-side 8", "ack-side 7", "park-side 8", "connect-later", "connect", "ack-side 7", "park-side 8"];
    expect(effects).toEqual(told);
    expect(state.sides.size).toBe(0);
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
    expect(drive({ kind: "close" }, lost).effects).toEqual(["end-stream", "finish ok"]);
  });

  test("passes over what a gap says will not come", () => {
    expect(
      drive(opened(1n, 0n), batch(1n, 1), done(1n), { kind: "skipped", firstOffset: 2n, lastOffset: 9n }, batch(10n, 1), done(10n)).effects,
    ).toEqual(["hand-over from 0", "ack 1", "ack 9", "hand-over from 0", "ack 10"]);
  });

  test("a gap that nothing follows is done too, whatever is still being handled, and again in the next session", () => {
    const gap: SessionInput = { kind: "skipped", firstOffset: 4n, lastOffset: 9n };
    const { state, effects } = drive(opened(1n, 0n), batch(1n, 3), gap, done(1n), done(2n), done(3n));
    expect([effects.at(-1), state.done]).toEqual(["ack 9", { mark: 9n, ranges: [] }]);
    const again = drive(
      opened(1n, 0n),
      batch(1n, 3),
      gap,
      lost,
      { kind: "due" },
      opened(2n, 0n),
      batch(1n, 3),
      gap,
      done(1n),
      done(2n),
      done(3n),
    );
    expect([again.effects.at(-1), again.state.done]).toEqual(["ack 9", { mark: 9n, ranges: [] }]);
  });

  test("begins anew when the log is another one", () => {
    const { state } = drive(opened(1n, 0n), batch(1n, 5), done(1n), lost, { kind: "due" }, opened(2n, 0n, { logId: "other" }));
    expect([state.handed, state.done.mark]).toEqual([0n, 0n]);
  });
});
