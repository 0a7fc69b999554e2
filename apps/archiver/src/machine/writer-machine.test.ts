import { describe, expect, test } from "vitest";
import { idleWriter, stepWriter, type ArchivedMessage, type WriterInput, type WriterState } from "./writer-machine.ts";

const message = (tag: number, events = 1, bytes = 0): ArchivedMessage => ({
  tag,
  events: Array.from({ length: events }, (_, i) => ({
    bytes: new Uint8Array(bytes),
    source: "s",
    id: `${tag}-${i}`,
    type: "t",
    deduplicated: true,
  })),
  rejected: [],
});

function drive(...inputs: readonly WriterInput[]): string[] {
  let state: WriterState = idleWriter;
  return inputs.flatMap((input) => {
    const step = stepWriter(state, input, { events: 4, bytes: 100 });
    state = step.state;
    return step.effects.map((effect) =>
      effect.kind === "append"
        ? `append ${effect.batch.events.length} up to ${effect.batch.tag}`
        : effect.kind === "ack"
          ? `ack ${effect.channel}/${effect.tag}`
          : `retry ${effect.attempt}`,
    );
  });
}

const opened = (channel: number): WriterInput => ({ kind: "opened", channel });
const delivered = (channel: number, tag: number, events = 1, bytes = 0): WriterInput => ({
  kind: "delivered",
  channel,
  message: message(tag, events, bytes),
});

describe("stepWriter()", () => {
  test("stores one batch at a time, and what came meanwhile next, whole messages only", () => {
    expect(drive(opened(1), delivered(1, 1), delivered(1, 2, 3), delivered(1, 3, 2), { kind: "stored" }, { kind: "stored" })).toEqual([
      "append 1 up to 1",
      "ack 1/1",
      "append 3 up to 2",
      "ack 1/2",
      "append 2 up to 3",
    ]);
  });

  test("bounds a batch by bytes, and stores a message that is larger alone", () => {
    const large = [delivered(1, 2, 1, 60), delivered(1, 3, 1, 60), delivered(1, 4, 1, 101), delivered(1, 5, 2, 50)];
    const stored: WriterInput = { kind: "stored" };
    expect(drive(opened(1), delivered(1, 1), ...large, stored, stored, stored, stored).filter((each) => each.startsWith("append"))).toEqual(
      ["append 1 up to 1", "append 1 up to 2", "append 1 up to 3", "append 1 up to 4", "append 2 up to 5"],
    );
  });

  test("W1: acks only on the channel the deliveries came from", () => {
    expect(
      drive(opened(1), delivered(1, 1), { kind: "closed", channel: 1 }, opened(2), { kind: "stored" }, delivered(1, 2), delivered(2, 1)),
    ).toEqual(["append 1 up to 1", "append 1 up to 1"]);
  });

  test("W11: repeats the same batch until it is stored", () => {
    expect(
      drive(
        opened(1),
        delivered(1, 1),
        delivered(1, 2),
        { kind: "failed" },
        { kind: "retry" },
        { kind: "failed" },
        { kind: "retry" },
        { kind: "stored" },
      ),
    ).toEqual(["append 1 up to 1", "retry 1", "append 1 up to 1", "retry 2", "append 1 up to 1", "ack 1/1", "append 1 up to 2"]);
  });

  test("W12: halves what the database refuses until it is found, sets it aside, and acks after the last part", () => {
    const refused: WriterInput = { kind: "refused", detail: "says 22021" };
    const stored: WriterInput = { kind: "stored" };
    expect(drive(opened(1), delivered(1, 1, 4), refused, stored, refused, refused, stored, stored, delivered(1, 2), stored)).toEqual([
      "append 4 up to 1",
      "append 2 up to 1",
      "append 2 up to 1",
      "append 1 up to 1",
      // Set aside: no event is left of it.
      "append 0 up to 1",
      "append 1 up to 1",
      "ack 1/1",
      "append 1 up to 2",
      "ack 1/2",
    ]);
  });
});
