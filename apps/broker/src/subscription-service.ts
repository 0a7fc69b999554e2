import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { isWarrenError, WarrenError, type Clock, type Codec, type Logger } from "@warren/protocol";
import type { AckRequest, ParkRequest, SubscribeRequest, SubscribeResponse, SubscriptionService } from "@warren/protocol/v1";
import type { AckCommand, Frame, ParkCommand, Session, Subscriptions } from "@warren/receiver-core";
import { guardStream, hangUp, isMalformed, streamWriter } from "@warren/service";
import { BatchMessages } from "./batch-message.ts";
import { cutWhenStuck } from "./cut-when-stuck.ts";
import { frameToResponse, toSettled } from "./frame-to-response.ts";
import { toNewSubscription } from "./open-request.ts";

/** What the handlers need. */
export interface SubscriptionServiceDeps {
  readonly subscriptions: Subscriptions;
  readonly exchange: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Subscribe, Follow, Ack and Park. */
export function subscriptionService(deps: SubscriptionServiceDeps): ServiceImpl<typeof SubscriptionService> {
  const { subscriptions, exchange, clock, logger } = deps;
  const messages = new BatchMessages();
  return {
    async *subscribe(requests, context) {
      const commands = requests[Symbol.asyncIterator]();
      const first = await commands.next();
      const command = first.done === true ? undefined : first.value.command;
      const open = command?.case === "open" ? command.value : undefined;
      const session = subscriptions.newSubscription(toNewSubscription(open, exchange, clock.wallMs()));
      // A failed command ends the stream with its error, unless the stream has ended already.
      let failure: unknown;
      void obey(session, commands, logger).catch((error: unknown) => {
        failure = error;
        session.stop("failed");
      });
      yield* responses(session, context, clock, messages);
      if (failure !== undefined) throw failure;
    },
    async *follow({ open }, context) {
      const session = subscriptions.newSubscription(toNewSubscription(open, exchange, clock.wallMs()));
      yield* responses(session, context, clock, messages);
    },
    async ack(request, { signal }) {
      return toSettled(await subscriptions.ack(request.sessionId, toAck(request), { signal }));
    },
    async park(request) {
      return toSettled(await subscriptions.park(request.sessionId, toPark(request)));
    },
  };
}

/** JSON when the call says so: then events must be decoded (unknown fields do not exist in JSON). */
function codecOf(headers: Headers): Codec {
  return /json/.test(headers.get("content-type") ?? "") ? "json" : "proto";
}

/** One frame per wish of the stream: back-pressure reaches the consumer's machine. */
async function* responses(
  session: Session,
  context: HandlerContext,
  clock: Clock,
  messages: BatchMessages,
): AsyncGenerator<SubscribeResponse> {
  const codec = codecOf(context.requestHeader);
  const frames = guardStream(unwritten(session, context, codec, messages), context.signal);
  const stopWatching = cutWhenStuck(session, clock, context.values.get(hangUp));
  try {
    for await (const frame of frames) yield frameToResponse(frame, codec);
  } finally {
    session.stop("stream-ended");
    stopWatching();
  }
}

/** Frames that Connect is to write: batches in the binary codec are written past it, and not among them. Asking for the next one asks for frames until there is one. */
function unwritten(session: Session, context: HandlerContext, codec: Codec, messages: BatchMessages): AsyncIterableIterator<Frame> {
  const frames = session.frames();
  const writer = context.values.get(streamWriter);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      for (;;) {
        const next = await frames.next();
        if (next.done === true || next.value.kind !== "batch" || codec !== "proto" || !writer.ready) return next;
        const { batch, from, to } = next.value;
        await writer.write(messages.encode(batch, from, to));
      }
    },
    return: () => frames.return?.() ?? Promise.resolve({ done: true, value: undefined }),
  };
}

/** Carries out the subscriber's commands until it ends its side; then the session ends too. */
async function obey(session: Session, commands: AsyncIterator<SubscribeRequest>, logger: Logger): Promise<void> {
  try {
    for (let next = await commands.next(); next.done !== true; next = await commands.next()) {
      const { command } = next.value;
      switch (command.case) {
        case "ack":
        case "park":
          void settle(session, command, logger);
          break;
        case "ping":
          session.ping();
          break;
        case "open":
          throw new WarrenError("REQUEST_INVALID", "`open` may be sent once; end the stream and begin another");
        case undefined:
          throw new WarrenError("REQUEST_INVALID", "a command of the stream is empty or not known");
      }
    }
  } catch (error) {
    // A stream that breaks is a subscriber that left.
    if (isWarrenError(error) || isMalformed(error)) throw error;
  }
  session.stop("stream-ended");
}

/** A wrong command is refused in the stream, which goes on; one that comes too late is only void. */
async function settle(session: Session, command: SettleCommand, logger: Logger): Promise<void> {
  try {
    if (command.case === "ack") session.ack(toAck(command.value));
    else await session.park(toPark(command.value));
  } catch (error) {
    if (isWarrenError(error, "SESSION_CLOSED")) return logger.debug("command of an ended session", { sessionId: session.sessionId });
    if (!isWarrenError(error)) logger.error("command failed", { error });
    const told = isWarrenError(error) ? error : new WarrenError("ILLEGAL_STATE", "an internal error; the server's log has it");
    session.refuse(told, command.case === "park" ? parkedBy(command.value) : undefined);
  }
}

type SettleCommand = Extract<SubscribeRequest["command"], { case: "ack" | "park" }>;

function toAck({ upToOffset, ranges, deliveryIds }: AckRequest): AckCommand {
  return { upTo: upToOffset, ranges, deliveryIds };
}

function toPark(park: ParkRequest): ParkCommand {
  if ((park.offset === 0n) === (park.deliveryId === 0n))
    throw new WarrenError("REQUEST_INVALID", "a park names either an offset or a delivery_id");
  return { what: parkedBy(park), reason: park.reason, attempts: park.attempts };
}

function parkedBy({ offset, deliveryId }: ParkRequest): ParkCommand["what"] {
  return deliveryId === 0n ? { offset } : { deliveryId };
}
