import fc from "fast-check";
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
    expect(state.runs).toEqual([]);
  });

  test("W10: whatever comes in whatever order, says what a list of messages would say", () => {
    const seq = fc.integer({ min: 1, max: 12 });
    const anyInput = fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom("publish" as const, "drained" as const) },
      fc.constantFrom("opened" as const, "closed" as const, "full" as const),
      { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom("confirmed", "nacked", "returned", "out-of-time", "unwritable"), seq }) },
    );
    fc.assert(
      fc.property(fc.array(anyInput, { maxLength: 60 }), (commands) => {
        let published = 0;
        const inputs = commands.map((command): WindowInput => {
          if (typeof command === "object") return command;
          if (command !== "publish") return { kind: command };
          published += 1;
          return publish(published);
        });
        const model = new List();
        const expected = [...inputs, closeIt].flatMap((input) => model.step(input));
        expect(drive([...inputs, closeIt]).effects).toEqual(expected);
      }),
    );
  });
});

const closeIt: WindowInput = { kind: "close" };

/** The window as a list, one entry for each message: slow, and plain to see. */
class List {
  #entries: { readonly seq: number; onChannel: boolean; everSent: boolean; unanswered: boolean; returned: boolean }[] = [];
  #writable = false;

  step(input: WindowInput): readonly string[] {
    switch (input.kind) {
      case "publish":
        this.#entries.push({ seq: input.seq, onChannel: false, everSent: false, unanswered: false, returned: false });
        return this.#send();
      case "opened":
      case "drained":
        this.#writable = true;
        return this.#send();
      case "closed":
        this.#writable = false;
        for (const entry of this.#entries) {
          entry.unanswered ||= entry.onChannel && !entry.returned;
          entry.onChannel = false;
          entry.returned = false;
        }
        return [];
      case "full":
        this.#writable = false;
        return [];
      case "returned":
        for (const entry of this.#entries) entry.returned ||= entry.seq === input.seq;
        return [];
      case "close":
        return this.#entries.map(({ seq, everSent }) => `${everSent ? "closed" : "never-sent"} ${seq}`);
      default: {
        const entry = this.#entries.find(({ seq }) => seq === input.seq);
        if (entry === undefined) return [];
        this.#entries = this.#entries.filter((each) => each !== entry);
        const { everSent, returned, unanswered } = entry;
        if (input.kind === "out-of-time") return [`${everSent ? "out-of-time" : "never-sent"} ${input.seq}`];
        if (input.kind !== "confirmed") return [`${input.kind} ${input.seq}`];
        return [`${!returned ? "ok" : unanswered ? "returned-after-loss" : "returned"} ${input.seq}`];
      }
    }
  }

  #send(): readonly string[] {
    const next = this.#writable ? this.#entries.find(({ onChannel }) => !onChannel) : undefined;
    if (next === undefined) return [];
    next.onChannel = true;
    next.everSent = true;
    return [`send ${next.seq}`];
  }
}
