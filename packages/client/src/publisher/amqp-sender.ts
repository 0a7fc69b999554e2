import { Limits, must, WarrenError, type EventSlice } from "@warren/protocol";
import { packContentType, packEnd, packOf, toCloudEventMessage } from "@warren/protocol/amqp";
import type { MessagePublisher, MessagePublisherOptions, Transport } from "@warren/transport";
import type { OutgoingEvent, Sender } from "./sender.ts";

/** How to send over AMQP. */
export interface AmqpSenderOptions extends MessagePublisherOptions {
  readonly packing: boolean;
}

/**
 * A pack that could still grow waits while so many messages are not confirmed: what is published meanwhile travels with it, and RabbitMQ's cost is one of messages.
 * A full one goes at once. An idle publisher never waits.
 */
const messagesUnderWay = 8;

/** Sends over AMQP: packs, or with `packing: false` one plain CloudEvents message for each event. */
export function amqpSender(transport: Transport, { packing, ...options }: AmqpSenderOptions): Sender {
  const { exchange } = options;
  const publisher: MessagePublisher = transport.createPublisher(options);
  const close = async (): Promise<void> => {
    await publisher.close();
    await transport.close();
  };
  if (!packing) {
    return {
      // The publisher keeps the order, and RabbitMQ's pace.
      next: ({ length }) => length,
      send(events, settled) {
        let unknown = events.length;
        for (const { event, settle } of events) {
          const { routingKey, contentType, messageId, headers, body } = toCloudEventMessage(event);
          publisher.send({ exchange, routingKey, contentType, messageId, headers, body }, (outcome) => {
            settle(outcome);
            unknown -= 1;
            if (unknown === 0) settled();
          });
        }
      },
      close,
    };
  }
  return {
    next(waiting, underWay) {
      const end = packEnd(waiting, 0, sliceOf);
      const full = end < waiting.length || end === Limits.packEvents;
      return full || underWay < messagesUnderWay ? end : 0;
    },
    send(events, settled) {
      const { routingKey, cc, body } = packOf(events.map(sliceOf));
      publisher.send({ exchange, routingKey, cc, body, contentType: packContentType, headers: noHeaders }, (outcome) => {
        for (const each of events) each.settle(outcome);
        settled();
      });
    },
    close,
  };
}

const sliceOf = ({ slice }: OutgoingEvent): EventSlice => must(slice, "packs are made of encoded events");
const noHeaders: ReadonlyMap<string, string> = new Map();

/** Connects with amqplib, an optional peer that only publishers over AMQP need. Throws CONFIG_INVALID when it is missing. */
export async function openAmqp(url: string, connectionName: string): Promise<Transport> {
  try {
    const { createAmqpTransport } = await import("@warren/transport/amqp");
    return createAmqpTransport({ url, connectionName });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new WarrenError(
        "CONFIG_INVALID",
        "publishing over AMQP needs the package amqplib: npm install amqplib; or publish through the broker with brokerUrl",
        { cause: error },
      );
    }
    throw error;
  }
}
