import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { decodedToSend, eventEndsOf, must, WarrenError, type EncodedBatch } from "@warren/protocol";
import { EventBatchSchema, SubscribeResponseSchema } from "@warren/protocol/v1";
import type { Frame } from "@warren/receiver-core";
import { describe, expect, test } from "vitest";
import { BatchMessages } from "./batch-message.ts";
import { frameToResponse } from "./frame-to-response.ts";

const bytes = toBinary(
  EventBatchSchema,
  create(EventBatchSchema, { events: ["a", "b", "c"].map((id) => ({ id, source: "/s", type: "t" })) }),
);
const small: EncodedBatch = {
  firstOffset: 5n,
  count: 3,
  bytes,
  eventEnds: must(eventEndsOf(bytes), "the pack is sound"),
  recordedAt: 1_000,
};
const batch = small;

describe("a frame", () => {
  test.each(["proto", "json"] as const)("of events begins where the consumer is, in %s", (codec) => {
    const before = decodedToSend();
    const sent = toBinary(SubscribeResponseSchema, frameToResponse({ kind: "batch", batch, from: 1, to: 3 }, codec));
    expect(decodedToSend() - before).toBe(codec === "proto" ? 0 : 2);
    const { frame } = fromBinary(SubscribeResponseSchema, sent);
    expect(frame.case).toBe("batch");
    if (frame.case !== "batch") return;
    expect(frame.value.firstOffset).toBe(6n);
    expect(frame.value.events.map(({ id }) => id)).toEqual(["b", "c"]);
  });

  test.each([
    [5n, 1_000, 0, 3],
    [5n, 1_790_000_000_123, 1, 3],
    [300n, 0, 2, 3],
    [2n ** 53n - 10n, 253_402_300_799_999, 1, 2],
  ])(
    "that begins at %i, stored at %i, of events %i to %i, written past Connect, is the same message",
    (firstOffset, recordedAt, from, to) => {
      const batch = { ...small, firstOffset, recordedAt };
      const messages = new BatchMessages();
      const envelope = messages.encode(batch, from, to);
      expect(messages.encode(batch, from, to)).toBe(envelope);
      const sent = toBinary(SubscribeResponseSchema, frameToResponse({ kind: "batch", batch, from, to }, "proto"));
      const prefix = Buffer.alloc(5);
      prefix.writeUInt32BE(sent.length, 1);
      expect(Buffer.concat(envelope)).toEqual(Buffer.concat([prefix, sent]));
    },
  );

  test("of many events, written past Connect, shares their bytes", () => {
    const large = toBinary(
      EventBatchSchema,
      create(EventBatchSchema, { events: [{ id: "a", source: "/s", type: "t", body: { case: "text", value: "x".repeat(20_000) } }] }),
    );
    const [, events] = new BatchMessages().encode({ ...batch, count: 1, bytes: large, eventEnds: Uint32Array.of(large.length) }, 0, 1);
    expect(events?.buffer).toBe(large.buffer);
  });

  test.each<[Frame, string, unknown]>([
    [{ kind: "standby", activeSince: 2_000 }, "standby", { activeSince: { seconds: 2n } }],
    [{ kind: "caught-up", offset: 9n }, "caughtUp", { offset: 9n }],
    [{ kind: "fell-behind", offset: 9n }, "fellBehind", { offset: 9n }],
    [
      { kind: "acked", settled: { mark: 4n, ranges: [{ first: 6n, last: 7n }] }, deliveryIds: [2n] },
      "acked",
      { ackedOffset: 4n, settled: [{ first: 6n, last: 7n }], deliveryIds: [2n] },
    ],
    [{ kind: "side", side: { deliveryId: 3n, batch, reason: "why", attempts: 2 } }, "side", { deliveryId: 3n, reason: "why", attempts: 2 }],
    [{ kind: "refused", error: new WarrenError("ACK_INVALID", "no"), what: undefined }, "refused", { code: "ACK_INVALID", message: "no" }],
    [{ kind: "refused", error: new WarrenError("ACK_INVALID", "no"), what: { offset: 3n } }, "refused", { offset: 3n }],
    [{ kind: "paused", reason: "why" }, "paused", { reason: "why" }],
    [{ kind: "resumed" }, "resumed", {}],
    [{ kind: "draining", retryAfterMs: 1_500 }, "draining", { retryAfter: { seconds: 1n, nanos: 500_000_000 } }],
    [
      { kind: "heartbeat", headOffset: 3n, sentOffset: 2n, waitingForAck: true },
      "heartbeat",
      { headOffset: 3n, sentOffset: 2n, waitingForAck: true },
    ],
    [
      { kind: "gap", gap: { kind: "pruned", firstOffset: 1n, lastOffset: 2n, reason: "old" } },
      "gap",
      { reason: "old", what: { case: "pruned", value: { firstOffset: 1n, lastOffset: 2n } } },
    ],
    [
      { kind: "gap", gap: { kind: "missed", afterOffset: 1n, fromTime: 1_000, toTime: 2_000, reason: "gone" } },
      "gap",
      { reason: "gone", what: { case: "missed", value: { afterOffset: 1n, fromTime: { seconds: 1n }, toTime: { seconds: 2n } } } },
    ],
  ])("%o keeps what it says", (frame, kind, value) => {
    expect(frameToResponse(frame, "proto").frame).toMatchObject({ case: kind, value });
  });
});
