import { createPublisher, createSubscriber, type Subscription } from "@warren/client";
import { given, type PeerClient } from "../client.ts";
import { openPlainPublisher } from "./amqp.ts";

/** Ours: the SDK, its broker, RabbitMQ and PostgreSQL. `packing` is "false" for one event in each AMQP message. */
export const warren: PeerClient = {
  window: 5_000,
  // A name is made by its first subscription, a receiver by the first of its pattern.
  create: () => Promise.resolve(),
  remove: () => Promise.resolve(),
  async openPublisher(target, { name }) {
    const publisher = createPublisher({
      amqpUrl: given(target, "amqpUrl"),
      exchange: given(target, "exchange"),
      packing: target["packing"] !== "false",
    });
    return {
      send(payload, settle) {
        publisher.publish({ type: name, source: "/bench", data: payload }).then(() => settle(), settle);
      },
      close: () => publisher.drain(),
    };
  },
  async openSubscribers(target, { name, subscribers }, take) {
    const subscriber = createSubscriber({ brokerUrl: given(target, "brokerUrl") });
    const subscriptions = subscribers.map((consumer) => subscriber.subscribe({ consumer, patterns: [name], maxInFlight: 10_000 }));
    const running = subscriptions.map(async (subscription, index) => {
      for await (const event of subscription) {
        take(index, event.bytes);
        event.ack();
      }
    });
    await Promise.all(subscriptions.map(opened));
    return {
      async close() {
        await subscriber.close();
        await Promise.all(running);
      },
    };
  },
};

/** The same behind a sender that knows nothing of Warren: plain messages, with no id of their own, by amqplib. */
export const warrenForeign: PeerClient = {
  ...warren,
  // As bare queues of RabbitMQ have it.
  window: 2_000,
  openPublisher: (target, { name }) => openPlainPublisher(given(target, "amqpUrl"), given(target, "exchange"), name),
};

/** Resolves when the broker has opened it: it has its place. */
async function opened(subscription: Subscription): Promise<void> {
  for await (const { kind } of subscription.status()) if (kind === "connected" || kind === "catchingUp" || kind === "caughtUp") return;
}
