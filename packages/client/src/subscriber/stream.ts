import type { DescMessage, MessageInitShape } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { Limits, type Offset, type Settled } from "@warren/protocol";
import {
  FrameSchema,
  SubscriptionService,
  type AckRequestSchema,
  type Frame,
  type OpenSchema,
  type ParkRequestSchema,
  type Refused,
  type SubscribeRequestSchema,
} from "@warren/protocol/v1";
import { fromConnectError } from "../from-connect-error.ts";
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

type Command = MessageInitShape<typeof SubscribeRequestSchema>;
type AckRequest = MessageInitShape<typeof AckRequestSchema>;
type ParkRequest = MessageInitShape<typeof ParkRequestSchema>;

/** What waits to be sent. Acks are joined: at most one waits. */
class Outbox {
  #settled: Settled | undefined;
  #sides: bigint[] = [];
  readonly #parks: ParkRequest[] = [];

  readonly commands = {
    ack: (settled: Settled): void => {
      this.#settled = settled;
      this.#wake();
    },
    ackSide: (deliveryId: bigint): void => {
      this.#sides.push(deliveryId);
      this.#wake();
    },
    park: (what: { readonly offset: Offset } | { readonly deliveryId: bigint }, failure: Failure): void => {
      this.#parks.push({ ...what, ...failure });
      this.#wake();
    },
  };

  /** An empty ack, when none waits: a sign of life. */
  touch(): void {
    this.#settled ??= { mark: 0n, ranges: [] };
    this.#wake();
  }

  readonly #wake: () => void;

  constructor(wake: () => void) {
    this.#wake = wake;
  }

  /** What is to be sent next. Parks before acks: an ack must not run ahead of what failed. */
  next(): { readonly park: ParkRequest } | { readonly ack: AckRequest } | undefined {
    const park = this.#parks.shift();
    if (park !== undefined) return { park };
    if (this.#settled === undefined && this.#sides.length === 0) return undefined;
    const { mark, ranges } = this.#settled ?? { mark: 0n, ranges: [] };
    const deliveryIds = this.#sides;
    this.#settled = undefined;
    this.#sides = [];
    return { ack: { upToOffset: mark, ranges: ranges.slice(0, Limits.ackRanges), deliveryIds } };
  }
}

const { subscribe, follow } = SubscriptionService.method;

/** A method of the service whose answers are read as frames: the same bytes, with the events left as they came. */
async function* framesOf<I extends DescMessage>(
  transport: Transport,
  method: { readonly input: I } & (typeof subscribe | typeof follow),
  requests: AsyncIterable<MessageInitShape<I>>,
  signal: AbortSignal,
): AsyncGenerator<Frame> {
  const { message } = await transport.stream({ ...method, output: FrameSchema }, signal, undefined, undefined, requests);
  yield* message;
}

/** The two-way stream, for Node: commands go with the stream. */
export function twoWay(transport: Transport): OpenStream {
  return (open, signal) => {
    const first: Command = { command: { case: "open", value: open } };
    let ping = false;
    let ending = false;
    let wake: () => void = () => undefined;
    const outbox = new Outbox(() => wake());
    async function* commands(): AsyncGenerator<Command> {
      yield first;
      while (!signal.aborted) {
        const next = outbox.next();
        if (next !== undefined) {
          yield { command: "park" in next ? { case: "park", value: next.park } : { case: "ack", value: next.ack } };
        } else if (ping) {
          ping = false;
          yield { command: { case: "ping", value: {} } };
        } else if (ending) {
          return;
        } else {
          await new Promise<void>((resolve) => (wake = resolve));
        }
      }
    }
    signal.addEventListener("abort", () => wake(), { once: true });
    return {
      responses: framesOf(transport, subscribe, commands(), signal),
      ...outbox.commands,
      ping() {
        ping = true;
        wake();
      },
      end() {
        ending = true;
        wake();
      },
    };
  };
}

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
      for await (const response of framesOf(transport, follow, request(), signal)) {
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
