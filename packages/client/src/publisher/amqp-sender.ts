import { WarrenError } from "@warren/protocol";
import { packContentType, packEvents, toCloudEventMessage } from "@warren/protocol/amqp";
import type { MessagePublisher, MessagePublisherOptions, OutgoingMessage, Transport } from "@warren/transport";
import type { EventOutcome, Sender } from "./sender.ts";

/** How to send over AMQP. */
export interface AmqpSenderOptions extends MessagePublisherOptions {
  readonly packing: boolean;
}

/** Sends over AMQP: packs, or with `packing: false` one plain CloudEvents message for each event. */
export function amqpSender(transport: Transport, { packing, ...options }: AmqpSenderOptions): Sender {
  const { exchange } = options;
  const publisher: MessagePublisher = transport.createPublisher(options);
  return {
    async send(events) {
      if (!packing) return Promise.all(events.map(({ event }) => publisher.publish({ exchange, ...toCloudEventMessage(event) })));
      const packs = packEvents(events.map(({ slice }) => slice));
      const outcomes = await Promise.all(
        packs.map(async ({ routingKey, cc, body, count }) => {
          const message: OutgoingMessage = { exchange, routingKey, cc, body, contentType: packContentType, headers: new Map() };
          const outcome: EventOutcome = await publisher.publish(message);
          return Array.from({ length: count }, () => outcome);
        }),
      );
      return outcomes.flat();
    },
    async close() {
      await publisher.close();
      await transport.close();
    },
  };
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
