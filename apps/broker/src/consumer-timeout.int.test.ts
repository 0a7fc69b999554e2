import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher, createSubscriber } from "@warren/client";
import { Limits } from "@warren/protocol";
import { AdminService } from "@warren/protocol/v1";
import { startFaultProxy, watchConsumers } from "@warren/test-servers";
import { expect, inject, test, vi } from "vitest";
import { deploy } from "./testing/broker-under-test.ts";

const throughProxy = async (address: string, defaultPort: number) => {
  const url = new URL(address);
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || defaultPort) });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  return { proxy, url: url.href };
};

const listReceivers = (baseUrl: string) =>
  createClient(AdminService, createConnectTransport({ baseUrl, httpVersion: "2" })).listReceivers({});

test("W11: a channel that RabbitMQ closes because PostgreSQL was away for too long (consumer_timeout) is opened again, and nothing is lost, repeated or swapped", async () => {
  const rabbitmq = await throughProxy(inject("amqpUrl"), 5672);
  const postgres = await throughProxy(inject("databaseUrl"), 5432);
  const consumers = watchConsumers(rabbitmq.proxy);
  const deployment = await deploy({ amqpUrl: rabbitmq.url, databaseUrl: postgres.url });
  const { url: brokerUrl } = await deployment.start();
  const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "waits", patterns: ["late.#"] });
  await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
  const seen: unknown[] = [];
  const running = subscription.run(({ data, offset }) => void seen.push([offset, data]));
  const { receivers } = await listReceivers(brokerUrl);
  const queue = receivers[0]?.queue ?? "";
  // The log may be caught up a moment before its queue is consumed.
  await vi.waitFor(() => expect(consumers.opened(queue)).toBe(1), { timeout: 10_000 });

  await postgres.proxy.refuse();
  // More messages than the prefetch, one event each: RabbitMQ has sent all it may.
  const count = Limits.prefetch + 50;
  await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange, packing: false });
  await publisher.publishAll(Array.from({ length: count }, (_, n) => ({ type: "late.x", source: "/s", data: n })));
  await vi.waitFor(async () => expect((await listReceivers(brokerUrl)).receivers[0]?.waitingFor).toContain("database"), {
    timeout: 10_000,
  });
  for (const opened of [2, 3]) {
    await consumers.breakChannel(queue);
    await vi.waitFor(() => expect(consumers.opened(queue)).toBe(opened), { timeout: 10_000 });
  }
  await postgres.proxy.accept();
  await vi.waitFor(() => expect(seen).toHaveLength(count), { timeout: 30_000 });
  expect(seen).toEqual(Array.from({ length: count }, (_, n) => [BigInt(n + 1), n]));
  await subscription.close();
  await running;
  await deployment.close();
  await Promise.all([rabbitmq.proxy.close(), postgres.proxy.close()]);
});
