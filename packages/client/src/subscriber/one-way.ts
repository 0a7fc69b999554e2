import { createClient, type Transport } from "@connectrpc/connect";
import { FrameSchema, SubscriptionService, type Frame } from "@warren/protocol/v1";
import { fromConnectError } from "../from-connect-error.ts";
import { Outbox } from "./outbox.ts";
import type { OpenStream } from "./stream.ts";

const { follow } = SubscriptionService.method;

/** A server stream and unary calls, for browsers; one call is under way at a time. An ack is a sign of life too. */
export function oneWay(transport: Transport): OpenStream {
  const client = createClient(SubscriptionService, transport);
  return (open, signal, refused) => {
    let sessionId = "";
    let busy = false;
    let ended: (() => void) | undefined;
    const outbox = new Outbox(() => void send());
    async function send(): Promise<void> {
      if (busy || sessionId === "") return;
      busy = true;
      for (let next = outbox.next(); next !== undefined && !signal.aborted; next = outbox.next()) {
        const { offset = 0n, deliveryId = 0n } = "park" in next ? next.park : {};
        try {
          if ("park" in next) await client.park({ ...next.park, sessionId }, { signal });
          else await client.ack({ ...next.ack, sessionId }, { signal });
        } catch (error) {
          const { code, message } = fromConnectError(error);
          if (code !== "TRANSPORT_UNAVAILABLE") refused({ code, message, offset, deliveryId });
        }
      }
      busy = false;
      ended?.();
    }
    async function* request() {
      yield { open };
    }
    async function* responses(): AsyncGenerator<Frame> {
      // Read as frames: the same bytes, with the events left as they came.
      const { message } = await transport.stream({ ...follow, output: FrameSchema }, signal, undefined, undefined, request());
      for await (const response of message) {
        if (response.frame.case === "opened") sessionId = response.frame.value.sessionId;
        yield response;
        void send();
      }
    }
    return {
      responses: responses(),
      ...outbox.commands,
      ping() {
        outbox.touch();
      },
      end(abort) {
        ended = abort;
        if (!busy) abort();
      },
    };
  };
}
