import { createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber, type Subscription, type SubscriptionOptions } from "@warren/client";
import { AdminService, type Receiver } from "@warren/protocol/v1";
import { expect, inject, vi } from "vitest";

/** The operator's calls of one broker. */
export const adminOf = (brokerUrl: string): Client<typeof AdminService> =>
  createClient(AdminService, createConnectTransport({ baseUrl: brokerUrl, httpVersion: "2" }));

/** Subscribes through the SDK, and waits until it has caught up. */
export async function caughtUp(brokerUrl: string, options: SubscriptionOptions): Promise<Subscription> {
  const subscription = createSubscriber({ brokerUrl }).subscribe(options);
  await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"), { timeout: 10_000 });
  return subscription;
}

/** The one receiver with these patterns. */
export async function receiverOf(brokerUrl: string, ...patterns: readonly string[]): Promise<Receiver> {
  const { receivers } = await adminOf(brokerUrl).listReceivers({});
  const found = receivers.find(({ config }) => config?.patterns.join(" ") === patterns.join(" "));
  if (found === undefined) throw new Error(`no receiver has the patterns ${patterns.join(" ")}`);
  return found;
}

/** Publishes events and waits until the receiver of `pattern` has each of them in a segment of its own. */
export async function storeOneByOne(
  at: { readonly brokerUrl: string; readonly exchange: string },
  event: { readonly pattern: string; readonly type: string },
  count: number,
): Promise<void> {
  await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: at.exchange });
  let { headOffset } = await receiverOf(at.brokerUrl, event.pattern);
  for (let n = 0; n < count; n += 1) {
    await publisher.publish({ type: event.type, source: "/s", data: "x".repeat(1_000) });
    headOffset += 1n;
    const wanted = headOffset;
    await vi.waitFor(async () => expect((await receiverOf(at.brokerUrl, event.pattern)).headOffset).toBe(wanted), { timeout: 10_000 });
  }
}
