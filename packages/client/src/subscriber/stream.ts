import type { MessageInitShape } from "@bufbuild/protobuf";
import type { Offset, Settled } from "@warren/protocol";
import type { Frame, OpenSchema, Refused } from "@warren/protocol/v1";
import type { Failure } from "../machine/session-machine.ts";

/** One open stream to a broker. No command throws: what is not heard is said again after the next open. */
export interface SubscriberStream {
  readonly responses: AsyncIterable<Frame>;
  /** All that is done; a later call stands for an earlier one that was not sent yet. */
  ack(settled: Settled): void;
  ackSide(deliveryId: bigint): void;
  park(what: { readonly offset: Offset } | { readonly deliveryId: bigint }, failure: Failure): void;
  ping(): void;
  /** Sends what waits and ends the subscriber's side; `abort` is called when the broker will not end its own. */
  end(abort: () => void): void;
}

/** Opens a stream; `signal` ends it. `refused`: a command that was sent beside the stream was wrong. */
export type OpenStream = (
  open: MessageInitShape<typeof OpenSchema>,
  signal: AbortSignal,
  refused: (refused: Pick<Refused, "code" | "message" | "offset" | "deliveryId">) => void,
) => SubscriberStream;
