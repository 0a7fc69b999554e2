import { createSubscriber } from "@warren/client";
import { createPostgresEventLog, migrateEventLog } from "@warren/event-store";
import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger, type Logger } from "@warren/protocol";
import { noArchive } from "@warren/receiver-core";
import { createPostgresStateStore, migrateStateStore } from "@warren/state-store";
import { startFaultProxy } from "@warren/test-servers";
import { createAmqpTransport } from "@warren/transport/amqp";
import { afterEach, describe, expect, inject, test, vi } from "vitest";
import { createBroker } from "./composition-root.ts";
import { deploy } from "./testing/broker-under-test.ts";

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

/** A broker that may hold little, and whose database can be taken away. */
async function open(unstoredBytes: number) {
  const deployment = await deploy();
  closers.push(() => deployment.close());
  const { namespace, exchange } = deployment;
  const url = new URL(inject("databaseUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5432) });
  closers.push(() => proxy.close());
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  const schema = schemaName(namespace, "broker");
  const database = openDatabase<unknown>({ url: url.href, schema, applicationName: "test", logger: silentLogger });
  const warnings: string[] = [];
  const logger: Logger = { ...silentLogger, warn: (message) => void warnings.push(message), child: () => logger };
  const broker = createBroker({
    transport: createAmqpTransport({ url: inject("amqpUrl") }),
    log: createPostgresEventLog(database),
    state: createPostgresStateStore(database),
    past: noArchive,
    listen: { host: "127.0.0.1", port: 0 },
    namespace,
    exchange,
    logger,
    unstoredBytes,
    prepare: async () => {
      await migrateEventLog(database);
      await migrateStateStore(database);
    },
    dispose: () => database.close(),
  });
  await broker.start(new AbortController().signal);
  closers.push(() => broker.drain());
  return { broker, proxy, exchange, warnings };
}

async function unstored(brokerUrl: string): Promise<number> {
  const text = await (await fetch(`${brokerUrl}/metrics`)).text();
  return Number(/^warren_unstored_bytes\S* (\d+)/m.exec(text)?.[1]);
}

describe("while the database is away", () => {
  test("W8: receivers hold together what they may, give the rest back to RabbitMQ, and store all of it in order afterwards", async () => {
    const size = 8_000;
    const count = 150;
    const budget = 400_000;
    const names = ["one", "two", "three"];
    const { broker, proxy, exchange, warnings } = await open(budget);
    const got = names.map((): number[] => []);
    const subscriber = createSubscriber({ brokerUrl: broker.url });
    const subscriptions = names.map((consumer) => subscriber.subscribe({ consumer, patterns: ["held.#", `only.${consumer}`] }));
    await vi.waitFor(() => expect(subscriptions.map(({ current }) => current.kind)).toEqual(names.map(() => "caughtUp")));
    const running = subscriptions.map((subscription, i) => subscription.run(({ data }) => void got[i]?.push((data as { n: number }).n)));

    await proxy.refuse();
    const transport = createAmqpTransport({ url: inject("amqpUrl") });
    closers.push(() => transport.close());
    const publisher = transport.createPublisher({ exchange });
    const outcomes = await Promise.all(
      Array.from({ length: count }, (_, n) => {
        const body = new TextEncoder().encode(JSON.stringify({ n, text: "x".repeat(size) }));
        const headers = new Map<string, string>();
        const messageId = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
        return publisher.publish({ exchange, routingKey: "held.x", contentType: "application/json", messageId, headers, body });
      }),
    );
    expect(outcomes.filter(({ kind }) => kind !== "ok")).toEqual([]);
    let most = 0;
    await vi.waitFor(
      async () => {
        most = Math.max(most, await unstored(broker.url));
        expect(warnings).toContain("receiver gives deliveries back: too much waits to be stored");
      },
      { timeout: 20_000 },
    );
    // One message and one batch for each receiver may come on top; a batch begins with one message here.
    const bound = budget + names.length * 2 * (size + 500);
    for (let look = 0; look < 20; look += 1) most = Math.max(most, await unstored(broker.url));
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThan(bound);

    await proxy.accept();
    await vi.waitFor(() => expect(got.map(({ length }) => length)).toEqual(names.map(() => count)), { timeout: 30_000 });
    const order = Array.from({ length: count }, (_, n) => n);
    expect(got).toEqual(names.map(() => order));
    await vi.waitFor(async () => expect(await unstored(broker.url)).toBe(0));
    await subscriber.close();
    await Promise.all(running);
  });
});
