import type { MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import type { Offset } from "@warren/protocol";
import { SubscriptionService, type OpenSchema, type SubscribeRequestSchema, type SubscribeResponse } from "@warren/protocol/v1";

/** One open stream to a broker. */
export interface SubscriberStream {
  readonly responses: AsyncIterable<SubscribeResponse>;
  /** Never throws: what is not heard is acked again after the next open. */
  ack(upTo: Offset): void;
  ping(): void;
}

/** Opens a stream; `signal` ends it. */
export type OpenStream = (open: MessageInitShape<typeof OpenSchema>, signal: AbortSignal) => SubscriberStream;

type Command = MessageInitShape<typeof SubscribeRequestSchema>;

/** The two-way stream, for Node: commands go with the stream. At most one ack waits: a newer one replaces it. */
export function twoWay(transport: Transport): OpenStream {
  const client = createClient(SubscriptionService, transport);
  return (open, signal) => {
    const first: Command = { command: { case: "open", value: open } };
    let ack: Offset | undefined;
    let ping = false;
    let wake: () => void = () => undefined;
    async function* commands(): AsyncGenerator<Command> {
      yield first;
      while (!signal.aborted) {
        if (ack !== undefined) {
          const upToOffset = ack;
          ack = undefined;
          yield { command: { case: "ack", value: { upToOffset } } };
        } else if (ping) {
          ping = false;
          yield { command: { case: "ping", value: {} } };
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    }
    signal.addEventListener("abort", () => wake(), { once: true });
    return {
      responses: client.subscribe(commands(), { signal }),
      ack(upTo) {
        ack = upTo;
        wake();
      },
      ping() {
        ping = true;
        wake();
      },
    };
  };
}

/** A server stream and unary acks, for browsers. At most one ack is under way. An ack is a sign of life too. */
export function oneWay(transport: Transport): OpenStream {
  const client = createClient(SubscriptionService, transport);
  return (open, signal) => {
    let sessionId = "";
    let wanted: Offset = 0n;
    let last: Offset = 0n;
    let busy = false;
    async function send(upToOffset: Offset): Promise<void> {
      busy = true;
      last = upToOffset;
      await client.ack({ sessionId, upToOffset }, { signal }).catch(() => undefined);
      busy = false;
      if (wanted > upToOffset) await send(wanted);
    }
    async function* responses(): AsyncGenerator<SubscribeResponse> {
      for await (const response of client.follow({ open }, { signal })) {
        if (response.frame.case === "opened") sessionId = response.frame.value.sessionId;
        yield response;
      }
    }
    return {
      responses: responses(),
      ack(upTo) {
        wanted = upTo;
        if (!busy && sessionId !== "") void send(upTo);
      },
      ping() {
        if (!busy && sessionId !== "") void send(last);
      },
    };
  };
}
