import { connect } from "amqplib";
import type { PeerPublisher } from "../client.ts";

/** Connects as latency asks for: amqplib leaves Nagle's algorithm on, and what is published then waits for the acknowledgement of what was published before. */
export const connectAmqp = (url: string) => connect(url, { noDelay: true });

/** Publishes payloads as plain messages with amqplib, one event in each, with confirms. */
export async function openPlainPublisher(url: string, exchange: string, routingKey: string): Promise<PeerPublisher> {
  const model = await connectAmqp(url);
  const channel = await model.createConfirmChannel();
  const options = { persistent: true, contentType: "application/octet-stream" };
  return {
    send(payload, settle) {
      channel.publish(exchange, routingKey, payload, options, (error) => settle(error ?? undefined));
    },
    close: () => model.close(),
  };
}
