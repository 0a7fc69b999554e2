import { Limits, type EventSlice } from "@warren/protocol";
import { describe, expect, test } from "vitest";
import { addMessages, isMoreThanSegment, noMessages, takeMessages, type PendingMessage, type PendingMessages } from "./pending-messages.ts";
import { startReceiver, stepReceiver, type ReceiverInput, type ReceiverState } from "./receiver-machine.ts";

const slice = (id: string): EventSlice => ({ bytes: new Uint8Array(10), id, source: "s", type: "t", deduplicated: true });

/** Messages of `count` events each, and how often each one was taken apart. */
class Packs {
  readonly unpacked: number[] = [];

  pack(tag: number, count: number): PendingMessage {
    const parts = { events: Array.from({ length: count }, (_, i) => slice(`${tag}-${i}`)), rejected: [] };
    this.unpacked[tag] = 0;
    return {
      tag,
      bytes: 1_000,
      unpack: () => {
        this.unpacked[tag] = (this.unpacked[tag] ?? 0) + 1;
        return parts;
      },
    };
  }

  /** Tags of those that were taken apart. */
  get tags(): readonly number[] {
    return this.unpacked.flatMap((times, tag) => (times > 0 ? [tag] : []));
  }
}

const tagsOf = (messages: readonly PendingMessage[]): readonly number[] => messages.map(({ tag }) => tag);

function drained(pending: PendingMessages): readonly (readonly number[])[] {
  const { taken, rest } = takeMessages(pending);
  return taken.length === 0 ? [] : [tagsOf(taken), ...drained(rest)];
}

describe("messages that wait for their batch", () => {
  test("come out in order, however they were added, and count what they hold", () => {
    const packs = new Packs();
    const most = Limits.segmentEvents;
    const one = addMessages(noMessages, [packs.pack(1, most - 100), packs.pack(2, 100)]);
    const two = addMessages(addMessages(addMessages(one, [packs.pack(3, 1)]), []), [packs.pack(4, 1), packs.pack(5, most)]);
    expect([noMessages.bytes, one.bytes, two.bytes, takeMessages(two).rest.bytes]).toEqual([0, 2_000, 5_000, 3_000]);
    expect(drained(two)).toEqual([[1, 2], [3, 4], [5]]);
    expect(addMessages(takeMessages(one).rest, [packs.pack(6, 1)])).toMatchObject({ front: { message: { tag: 6 } }, back: undefined });
    // A value: what was added and taken since left it as it was.
    expect(drained(one)).toEqual([[1, 2]]);
    expect(takeMessages(noMessages)).toEqual({ taken: [], rest: noMessages });
  });

  test("are more than a segment when one of them does not fit into the next", () => {
    const packs = new Packs();
    const full = addMessages(noMessages, [packs.pack(1, Limits.segmentEvents - 1), packs.pack(2, 1)]);
    expect([noMessages, full, addMessages(full, [packs.pack(3, 1)])].map(isMoreThanSegment)).toEqual([false, false, true]);
  });

  test("W1: a batch takes whole messages, the first one whatever its size, and as many that hold nothing as there are", () => {
    const packs = new Packs();
    const messages = [packs.pack(1, Limits.segmentEvents + 1), packs.pack(2, 0), packs.pack(3, Limits.segmentEvents), packs.pack(4, 0)];
    expect(drained(addMessages(noMessages, messages))).toEqual([[1], [2, 3, 4]]);
    const large = (tag: number, size: number): PendingMessage => {
      const rejected = [{ reason: "malformed", detail: "", bytes: new Uint8Array(size) }] as const;
      return { tag, bytes: size, unpack: () => ({ events: [], rejected }) };
    };
    const half = Limits.segmentBytes / 2;
    const sizes = [half, half, half, half + 1, Limits.segmentBytes + 1, 0].map((size, i) => large(i + 1, size));
    expect(drained(addMessages(noMessages, sizes))).toEqual([[1, 2], [3], [4], [5], [6]]);
  });
});

describe("a message in the write side of a receiver", () => {
  const opened = (): ReceiverState => {
    const claimed: ReceiverInput = { kind: "claimed", claim: { epoch: 1n, headOffset: 0n, oldestOffset: 1n, logId: "log" } };
    return stepReceiver(stepReceiver(startReceiver().state, claimed).state, { kind: "opened", channel: 1 }).state;
  };
  const deliver = (state: ReceiverState, ...messages: readonly PendingMessage[]): ReceiverState =>
    stepReceiver(state, { kind: "delivered", channel: 1, messages }).state;
  const stored = (state: ReceiverState): ReceiverState => {
    const segment = { firstOffset: state.head + 1n, count: 1, bytes: new Uint8Array(), eventEnds: new Uint32Array(), recordedAt: 0 };
    return stepReceiver(state, { kind: "append-answered", result: { kind: "appended", segment } }).state;
  };

  test("is not taken apart before its batch, save the one that shows where the batch ends", () => {
    const packs = new Packs();
    // Two fit.
    const count = Limits.segmentEvents / 2 - 10;
    let state = deliver(opened(), packs.pack(1, count));
    for (let tag = 2; tag <= 9; tag += 1) state = deliver(state, packs.pack(tag, count));
    expect(packs.tags).toEqual([1]);
    state = stored(state);
    expect(packs.tags).toEqual([1, 2, 3, 4]);
    state = stored(state);
    expect(packs.tags).toEqual([1, 2, 3, 4, 5, 6]);
    expect(state).toMatchObject({ work: { batch: { tag: 5, bytes: 2_000 } }, queue: { bytes: 4_000 } });
  });

  test("is never taken apart when it is given back, came late or went with its channel", () => {
    const packs = new Packs();
    const busy = deliver(opened(), packs.pack(1, 1), packs.pack(2, 1));
    const waiting = deliver(busy, packs.pack(3, 1));
    for (const input of [{ kind: "shed" }, { kind: "closed", channel: 1 }, { kind: "stop" }] as const) {
      const left = stepReceiver(waiting, input).state;
      expect(stored(deliver(left, packs.pack(4, 1))).queue.bytes).toBe(0);
    }
    expect(packs.tags).toEqual([1, 2]);
  });
});
