import type { EventSlice } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import type { PendingMessage } from "./pending-messages.ts";
import { startReceiver, stepReceiver, unstoredBytes, type ReceiverInput, type ReceiverStep } from "./receiver-machine.ts";

const slice = (id: string, size: number): EventSlice => ({ bytes: new Uint8Array(size), id, source: "s", type: "t", deduplicated: true });
const message = (channel: number, tag: number, size: number): PendingMessage => ({
  tag,
  bytes: size,
  unpack: () => ({ events: [slice(`${channel}-${tag}`, size)], rejected: [] }),
});
const delivered = (channel: number, tag: number, size = 10): ReceiverInput => ({
  kind: "delivered",
  channel,
  messages: [message(channel, tag, size)],
});
const claimed: ReceiverInput = { kind: "claimed", claim: { epoch: 1n, headOffset: 0n, oldestOffset: 1n, logId: "log" } };
const stored = (firstOffset: bigint, count: number): ReceiverInput => ({
  kind: "append-answered",
  result: { kind: "appended", segment: { firstOffset, count, bytes: new Uint8Array(), eventEnds: new Uint32Array(), recordedAt: 0 } },
});

/** Feeds inputs one by one; the state after them, and what the last one had done. */
function run(...inputs: readonly ReceiverInput[]): ReceiverStep {
  return inputs.reduce((step, input) => stepReceiver(step.state, input), startReceiver());
}

describe("the write side of a receiver", () => {
  test("W1: what came together is stored together, at once, and acked up to its last message", () => {
    const { state, effects } = run(
      claimed,
      { kind: "opened", channel: 1 },
      { kind: "delivered", channel: 1, messages: [message(1, 1, 10), message(1, 2, 20)] },
    );
    expect(effects).toMatchObject([
      { kind: "count", received: 2, repeats: 0, quarantined: 0 },
      { kind: "append", events: [{ id: "1-1" }, { id: "1-2" }] },
    ]);
    expect(unstoredBytes(state)).toBe(30);
    expect(stepReceiver(state, stored(1n, 2)).effects).toContainEqual({ kind: "ack", channel: 1, tag: 2 });
    // Of a channel that closed meanwhile: nothing.
    expect(stepReceiver(state, { kind: "delivered", channel: 2, messages: [message(2, 1, 10)] }).state).toBe(state);
  });

  test("W8: gives back what it has not begun to store, stores and does not ack what it has, and goes on when there is room", () => {
    const begun = run(claimed, { kind: "opened", channel: 1 }, delivered(1, 1, 10), delivered(1, 2, 20), delivered(1, 3, 30));
    expect(unstoredBytes(begun.state)).toBe(60);
    const shed = stepReceiver(begun.state, { kind: "shed" });
    expect(shed.effects).toEqual([{ kind: "pause-queue" }]);
    expect(unstoredBytes(shed.state)).toBe(10);
    expect(stepReceiver(shed.state, { kind: "shed" }).effects).toEqual([]);
    // Under way when the channel closed.
    const late = stepReceiver(shed.state, delivered(1, 4));
    expect(unstoredBytes(late.state)).toBe(10);
    const done = stepReceiver(late.state, stored(1n, 1));
    expect(done.effects.map(({ kind }) => kind)).toEqual(["publish"]);
    expect(unstoredBytes(done.state)).toBe(0);
    const room = stepReceiver(done.state, { kind: "room" });
    expect(room.effects).toEqual([{ kind: "resume-queue" }]);
    expect(stepReceiver(room.state, { kind: "room" }).effects).toEqual([]);
    const again = stepReceiver(stepReceiver(room.state, { kind: "opened", channel: 2 }).state, delivered(2, 1));
    expect(again.effects.map(({ kind }) => kind)).toEqual(["count", "append"]);
  });

  test("W1: forms the next batch while one is under way: it is appended next, before what came later, and forgotten with its channel", () => {
    const formed = run(claimed, { kind: "opened", channel: 1 }, delivered(1, 1, 10), delivered(1, 2, 20), delivered(1, 3, 30), {
      kind: "form-next",
    });
    expect(formed.effects).toMatchObject([{ kind: "prepare", events: [{ id: "1-2" }, { id: "1-3" }] }]);
    expect(unstoredBytes(formed.state)).toBe(60);
    // One is enough.
    const later = stepReceiver(formed.state, delivered(1, 4, 40));
    expect(stepReceiver(later.state, { kind: "form-next" })).toEqual({ state: later.state, effects: [] });

    const begun = stepReceiver(later.state, stored(1n, 1));
    expect(begun.effects).toMatchObject([
      { kind: "ack", channel: 1, tag: 1 },
      { kind: "publish" },
      { kind: "count", received: 2 },
      { kind: "append", head: 1n },
    ]);
    // The very array that was prepared.
    expect(begun.effects.at(-1)).toHaveProperty("events", formed.state.next?.batch.events);
    expect(stepReceiver(begun.state, stored(2n, 2)).effects).toMatchObject([
      { kind: "ack", channel: 1, tag: 3 },
      { kind: "publish" },
      { kind: "count", received: 1 },
      { kind: "append", head: 3n, events: [{ id: "1-4" }] },
    ]);

    const closed = stepReceiver(later.state, { kind: "closed", channel: 1 });
    expect(unstoredBytes(closed.state)).toBe(10);
    expect(stepReceiver(closed.state, stored(1n, 1)).effects.map(({ kind }) => kind)).toEqual(["publish"]);
  });

  test("forms no batch ahead when nothing is under way, or nothing waits", () => {
    const idle = run(claimed, { kind: "opened", channel: 1 });
    expect(stepReceiver(idle.state, { kind: "form-next" })).toEqual({ state: idle.state, effects: [] });
    const alone = stepReceiver(idle.state, delivered(1, 1));
    expect(stepReceiver(alone.state, { kind: "form-next" })).toEqual({ state: alone.state, effects: [] });
  });

  test("W9: a queue that is gone is recorded after what is being stored, so that no consumer has passed the place", () => {
    const begun = run(claimed, { kind: "opened", channel: 1 }, delivered(1, 1), { kind: "closed", channel: 1 });
    const missing = stepReceiver(begun.state, { kind: "queue-missing" });
    expect(missing.effects).toEqual([]);
    const done = stepReceiver(missing.state, stored(1n, 1));
    expect(done.effects.map(({ kind }) => kind)).toEqual(["publish", "record-missed"]);
    expect(done.effects.at(-1)).toEqual({ kind: "record-missed", epoch: 1n });
    // Once; and at once when nothing is being stored.
    expect(stepReceiver(done.state, { kind: "checked", epoch: 1n, head: 1n }).effects).toEqual([]);
    expect(stepReceiver(done.state, { kind: "queue-missing" }).effects).toEqual([{ kind: "record-missed", epoch: 1n }]);
  });

  test("forgets that it gave back when it lost its log", () => {
    const fenced = run(
      claimed,
      { kind: "opened", channel: 1 },
      delivered(1, 1),
      { kind: "shed" },
      { kind: "append-answered", result: { kind: "fenced" } },
    );
    expect(fenced.effects.map(({ kind }) => kind)).toEqual(["close-queue", "give-up"]);
    const again = stepReceiver(stepReceiver(fenced.state, { kind: "reclaim" }).state, claimed);
    expect(stepReceiver(again.state, { kind: "room" }).effects).toEqual([]);
  });
});
