import { describe, expect, test } from "vitest";
import { emptyWindow, stepWindow, type WindowInput, type WindowState } from "./confirm-window.ts";

function drive(inputs: readonly WindowInput[], from: WindowState = emptyWindow) {
  let state = from;
  const effects: string[] = [];
  for (const input of inputs) {
    const step = stepWindow(state, input);
    state = step.state;
    for (const effect of step.effects) effects.push(effect.kind === "send" ? `send ${effect.seq}` : `${effect.outcome} ${effect.seq}`);
  }
  return { state, effects };
}

const publish = (seq: number): WindowInput => ({ kind: "publish", seq });
const drained: WindowInput = { kind: "drained" };

describe("stepWindow()", () => {
  test("sends in order as the channel takes it, and settles on the confirm", () => {
    const { effects } = drive([
      publish(1),
      publish(2),
      { kind: "opened" },
      { kind: "full" },
      publish(3),
      drained,
      drained,
      { kind: "confirmed", seq: 1 },
    ]);
    expect(effects).toEqual(["send 1", "send 2", "send 3", "ok 1"]);
  });

  test("W10: sends everything unconfirmed again, first and in order, after a reconnect", () => {
    const { effects } = drive([
      { kind: "opened" },
      publish(1),
      publish(2),
      { kind: "confirmed", seq: 1 },
      { kind: "closed" },
      publish(3),
      { kind: "opened" },
      drained,
    ]);
    expect(effects).toEqual(["send 1", "send 2", "ok 1", "send 2", "send 3"]);
  });

  test("W10: a returned message is rejected by its confirm, unless it was sent again meanwhile", () => {
    expect(drive([{ kind: "opened" }, publish(1), { kind: "returned", seq: 1 }, { kind: "confirmed", seq: 1 }]).effects).toEqual([
      "send 1",
      "returned 1",
    ]);
    const again: readonly WindowInput[] = [
      { kind: "opened" },
      publish(1),
      { kind: "returned", seq: 1 },
      { kind: "closed" },
      { kind: "opened" },
      { kind: "confirmed", seq: 1 },
    ];
    expect(drive(again).effects).toEqual(["send 1", "send 1", "ok 1"]);
  });

  test("W10: a message that is returned after its channel was lost without an answer is indeterminate: a queue may have it", () => {
    const returned: readonly WindowInput[] = [{ kind: "opened" }, { kind: "returned", seq: 1 }, { kind: "confirmed", seq: 1 }];
    expect(drive([{ kind: "opened" }, publish(1), { kind: "closed" }, ...returned]).effects).toEqual([
      "send 1",
      "send 1",
      "returned-after-loss 1",
    ]);
    // What was returned before, too, was in no queue.
    expect(drive([{ kind: "opened" }, publish(1), { kind: "returned", seq: 1 }, { kind: "closed" }, ...returned]).effects).toEqual([
      "send 1",
      "send 1",
      "returned 1",
    ]);
    // Nor was what waited.
    expect(drive([publish(1), { kind: "closed" }, ...returned]).effects).toEqual(["send 1", "returned 1"]);
  });

  test("W10: out of time is indeterminate once it was written, rejected when it never was", () => {
    expect(drive([publish(1), { kind: "out-of-time", seq: 1 }]).effects).toEqual(["never-sent 1"]);
    expect(
      drive([{ kind: "opened" }, publish(1), { kind: "closed" }, { kind: "out-of-time", seq: 1 }, { kind: "opened" }]).effects,
    ).toEqual(["send 1", "out-of-time 1"]);
  });

  test("settles each message once", () => {
    const { effects, state } = drive([
      { kind: "opened" },
      publish(1),
      { kind: "nacked", seq: 1 },
      { kind: "confirmed", seq: 1 },
      { kind: "close" },
    ]);
    expect(effects).toEqual(["send 1", "nacked 1"]);
    expect(state.entries).toEqual([]);
  });
});
