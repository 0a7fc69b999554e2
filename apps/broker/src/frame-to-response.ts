import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs, timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { LogGap } from "@warren/event-store";
import { encodeBatch, type Codec, type Settled } from "@warren/protocol";
import { SubscribeResponseSchema, type GapSchema, type SubscribeResponse } from "@warren/protocol/v1";
import type { Frame } from "@warren/receiver-core";

/** A frame as it goes over the wire. Events are not decoded in the binary codec. */
export function frameToResponse(frame: Frame, codec: Codec): SubscribeResponse {
  return create(SubscribeResponseSchema, { frame: toCase(frame, codec) });
}

type ResponseFrame = NonNullable<MessageInitShape<typeof SubscribeResponseSchema>["frame"]>;

function toCase(frame: Frame, codec: Codec): ResponseFrame {
  switch (frame.kind) {
    case "opened": {
      const { kind: _, settled, ...opened } = frame;
      return { case: "opened", value: { ...opened, afterOffset: settled.mark, settled: [...settled.ranges] } };
    }
    case "batch":
      return { case: "batch", value: encodeBatch(frame.batch, frame.from, frame.to, codec) };
    case "caught-up":
      return { case: "caughtUp", value: { offset: frame.offset } };
    case "fell-behind":
      return { case: "fellBehind", value: { offset: frame.offset } };
    case "gap":
      return { case: "gap", value: toGap(frame.gap) };
    case "acked":
      return { case: "acked", value: { ...toSettled(frame.settled), deliveryIds: [...frame.deliveryIds] } };
    case "side": {
      const { deliveryId, batch, reason, attempts } = frame.side;
      return { case: "side", value: { deliveryId, batch: encodeBatch(batch, 0, 1, codec), reason, attempts } };
    }
    case "refused":
      return { case: "refused", value: { code: frame.error.code, message: frame.error.message, ...frame.what } };
    case "paused":
      return { case: "paused", value: { reason: frame.reason } };
    case "resumed":
      return { case: "resumed", value: {} };
    case "heartbeat": {
      const { headOffset, sentOffset, waitingForAck } = frame;
      return { case: "heartbeat", value: { headOffset, sentOffset, waitingForAck } };
    }
    case "draining":
      return { case: "draining", value: { retryAfter: durationFromMs(frame.retryAfterMs) } };
    case "standby":
      return { case: "standby", value: { activeSince: timestampFromMs(frame.activeSince) } };
  }
}

/** What is saved, as Acked and the answers of Ack and Park have it. */
export function toSettled({ mark, ranges }: Settled) {
  return { ackedOffset: mark, settled: [...ranges] };
}

function toGap(gap: LogGap): MessageInitShape<typeof GapSchema> {
  if (gap.kind === "pruned")
    return { reason: gap.reason, what: { case: "pruned", value: { firstOffset: gap.firstOffset, lastOffset: gap.lastOffset } } };
  const value = { afterOffset: gap.afterOffset, fromTime: timestampFromMs(gap.fromTime), toTime: timestampFromMs(gap.toTime) };
  return { reason: gap.reason, what: { case: "missed", value } };
}
