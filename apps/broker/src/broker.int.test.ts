import { createPublisher, createSubscriber, type SubscribedEvent, type Subscription } from "@warren/client";
import { decodedToSend } from "@warren/protocol";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";

/** Takes `count` events, acking each. */
async function take(subscription: Subscription, count: number): Promise<SubscribedEvent[]> {
  const events: SubscribedEvent[] = [];
  for await (const event of subscription) {
    event.ack();
    events.push(event);
    if (events.length === count) {
      // Leaving the loop closes the subscription: what was acked must be saved before.
      while (subscription.ackedOffset < event.offset) await new Promise((resolve) => setImmediate(resolve));
      break;
    }
  }
  return events;
}

/** Resolves when the subscription reached a status. */
async function reached(subscription: Subscription, kind: string): Promise<void> {
  for await (const status of subscription.status()) if (status.kind === kind) return;
}

describe("a broker on real servers", () => {
  let deployment: Deployment;
  let brokerUrl: string;
  beforeAll(async () => {
    deployment = await deploy();
    brokerUrl = (await deployment.start()).url;
  });
  afterAll(() => deployment.close());

  test("delivers live, keeps what a sleeping consumer misses, and goes from catch-up to live", async () => {
    const publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    const subscriber = createSubscriber({ brokerUrl });
    const publish = async (from: number, to: number): Promise<void> => {
      await Promise.all(
        Array.from({ length: to - from + 1 }, (_, i) =>
          publisher.publish({ type: "order.created", source: "/shop", data: { n: from + i } }),
        ),
      );
    };
    const decodedBefore = decodedToSend();

    const first = subscriber.subscribe({ consumer: "billing", patterns: ["order.#"] });
    await reached(first, "caughtUp");
    await publish(1, 100);
    const live = await take(first, 100);
    expect(live.map(({ data }) => data)).toEqual(Array.from({ length: 100 }, (_, i) => ({ n: i + 1 })));
    expect(live.map(({ offset }) => offset)).toEqual(Array.from({ length: 100 }, (_, i) => BigInt(i + 1)));

    await publish(101, 700);
    const second = subscriber.subscribe({ consumer: "billing", patterns: ["order.#"] });
    const caughtUp = reached(second, "caughtUp");
    const taking = take(second, 650);
    await caughtUp;
    await publish(701, 750);
    const events = await taking;
    expect(events.map(({ offset }) => offset)).toEqual(Array.from({ length: 650 }, (_, i) => BigInt(i + 101)));
    expect(events.map(({ data }) => data)).toEqual(Array.from({ length: 650 }, (_, i) => ({ n: i + 101 })));
    // What is stored is what is sent: nobody decoded an event on the way.
    expect(decodedToSend() - decodedBefore).toBe(0);
    await publisher.drain();
    await subscriber.close();
  });
});
