import { WarrenError } from "@warren/protocol";
import { packContentType, toCloudEventMessage } from "@warren/protocol/amqp";
import type { MessagePublisher, MessagePublisherOptions, Transport } from "@warren/transport";
import type { Cut, OutgoingEvent } from "./event-line.ts";
import type { Sender } from "./line.ts";
import type { Pack } from "./pack-line.ts";

/** Sends packs over AMQP. */
export function packSender(transport: Transport, options: MessagePublisherOptions): Sender<Pack> {
  const { exchange } = options;
  const publisher = transport.createPublisher(options);
  return {
    send(pack, settled) {
      const { routingKey, cc, body } = pack;
      publisher.send({ exchange, routingKey, cc, body, contentType: packContentType, headers: noHeaders }, (outcome) => {
        pack.settle(outcome);
        settled();
      });
    },
    close: () => closeBoth(publisher, transport),
  };
}

/** The publisher keeps the order, and RabbitMQ's pace. */
export const allAtOnce: Cut = ({ length }) => length;

/** Sends events over AMQP, each as a plain CloudEvents message. */
export function messageSender(transport: Transport, options: MessagePublisherOptions): Sender<readonly OutgoingEvent[]> {
  const { exchange } = options;
  const publisher = transport.createPublisher(options);
  return {
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
    close: () => closeBoth(publisher, transport),
  };
}

const noHeaders: ReadonlyMap<string, string> = new Map();

async function closeBoth(publisher: MessagePublisher, transport: Transport): Promise<void> {
  await publisher.close();
  await transport.close();
}

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
