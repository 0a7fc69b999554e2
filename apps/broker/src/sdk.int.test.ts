import { connect, createServer, type AddressInfo } from "node:net";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { AdminService } from "@warren/protocol/v1";
import { createPublisher, createSubscriber, isWarrenError } from "@warren/client";
import { createSubscriber as createBrowserSubscriber } from "@warren/client/browser";
import { afterAll, beforeAll, describe, expect, inject, test, vi } from "vitest";
import { deploy, type Deployment } from "./testing/broker-under-test.ts";

describe("the SDK", () => {
  let deployment: Deployment;
  let brokerUrl = "";
  beforeAll(async () => {
    deployment = await deploy();
    brokerUrl = (await deployment.start()).url;
  });
  afterAll(() => deployment.close());

  const publish = async (type: string, count: number): Promise<void> => {
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publishAll(Array.from({ length: count }, (_, n) => ({ type, source: "/s", data: n })));
  };

  test("run() acks what returns, tries again what throws, and works concurrently", async () => {
    const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "run", patterns: ["run.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    await publish("run.x", 20);
    const calls = new Map<unknown, number>();
    let atOnce = 0;
    let most = 0;
    const running = subscription.run(
      async ({ data }) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce -= 1;
        calls.set(data, (calls.get(data) ?? 0) + 1);
        if (data === 3 && (calls.get(data) ?? 0) < 3) throw new Error("not yet");
      },
      { concurrency: 4 },
    );
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(20n), { timeout: 10_000 });
    expect([...calls].filter(([data, count]) => count !== (data === 3 ? 3 : 1))).toEqual([]);
    expect(most).toBe(4);
    await subscription.close();
    await running;
  });

  test("run() with onFailure stop ends with HANDLER_FAILED after its retries, and the event comes again", async () => {
    const options = { consumer: "fails", patterns: ["fails.#"] };
    const subscription = createSubscriber({ brokerUrl }).subscribe(options);
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    await publish("fails.x", 2);
    const failing = subscription.run(
      ({ data }) => {
        if (data === 1) throw new Error("broken");
      },
      { retries: 1, onFailure: "stop" },
    );
    await expect(failing).rejects.toSatisfy((error) => isWarrenError(error, "HANDLER_FAILED"));
    const again = createSubscriber({ brokerUrl }).subscribe(options);
    const seen: unknown[] = [];
    for await (const event of again) {
      seen.push(event.data);
      if (event.data === 1) break;
    }
    expect(seen.at(-1)).toBe(1);
  });

  test("run() parks an event that keeps failing and goes on; an operator has it retried, to its consumer alone", async () => {
    const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "parks", patterns: ["parks.#"] });
    const other = createSubscriber({ brokerUrl }).subscribe({ consumer: "beside", patterns: ["parks.#"] });
    await Promise.all([subscription, other].map((each) => vi.waitFor(() => expect(each.current.kind).toBe("caughtUp"))));
    const others: unknown[] = [];
    const besides = other.run(({ data }) => void others.push(data));
    let broken = true;
    const seen: unknown[] = [];
    const retried: unknown[] = [];
    const running = subscription.run(
      ({ data, retried: before }) => {
        if (data === 1 && broken) throw new Error("no such customer");
        seen.push(data);
        if (before !== undefined) retried.push(before);
      },
      { retries: 2, backoff: { minMs: 1, maxMs: 5 } },
    );
    await publish("parks.x", 4);
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(4n), { timeout: 10_000 });
    expect(seen).toEqual([0, 2, 3]);
    const admin = createClient(AdminService, createConnectTransport({ baseUrl: brokerUrl, httpVersion: "2" }));
    expect((await admin.listParked({ consumer: "parks" })).events).toMatchObject([{ offset: 2n, reason: "no such customer", attempts: 3 }]);
    broken = false;
    await admin.retryParked({ consumer: "parks" });
    await vi.waitFor(async () => expect((await admin.listParked({ consumer: "parks" })).events).toEqual([]));
    expect(seen).toEqual([0, 2, 3, 1]);
    expect(retried).toEqual([{ reason: "no such customer", attempts: 3 }]);
    expect(others).toEqual([0, 1, 2, 3]);
    await Promise.all([subscription.close(), other.close()]);
    await Promise.all([running, besides]);
  });

  test("run() keeps the events of one key in order while others go on", async () => {
    const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "keys", patterns: ["keys.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    const seen: string[] = [];
    const gate = Promise.withResolvers<void>();
    const running = subscription.run(
      async ({ data, partitionKey }) => {
        if (partitionKey === "slow" && data === 0) await gate.promise;
        seen.push(`${partitionKey} ${String(data)}`);
      },
      { concurrency: 3 },
    );
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    const keys = ["slow", "slow", "fast", "slow", "fast"];
    await publisher.publishAll(keys.map((partitionKey, data) => ({ type: "keys.x", source: "/s", partitionKey, data })));
    await vi.waitFor(() => expect(seen).toEqual(["fast 2", "fast 4"]));
    // Ranges: what is done above the one under way is saved.
    await vi.waitFor(async () => {
      const admin = createClient(AdminService, createConnectTransport({ baseUrl: brokerUrl, httpVersion: "2" }));
      expect((await admin.getConsumer({ consumer: "keys" })).consumer).toMatchObject({
        ackedOffset: 0n,
        settled: [
          { first: 3n, last: 3n },
          { first: 5n, last: 5n },
        ],
      });
    });
    gate.resolve();
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(5n));
    expect(seen.slice(2)).toEqual(["slow 0", "slow 1", "slow 3"]);
    await subscription.close();
    await running;
  });

  test("run() pauses while a dependency is away: nothing is parked, and its tries do not count", async () => {
    const subscription = createSubscriber({ brokerUrl }).subscribe({ consumer: "pauses", patterns: ["pauses.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    const seen: unknown[] = [];
    let away = 8;
    const kinds: string[] = [];
    void (async () => {
      for await (const { kind } of subscription.status()) kinds.push(kind);
    })();
    const running = subscription.run(
      ({ data }) => {
        if (data === 1 && away > 0) {
          away -= 1;
          throw new Error("the database is away");
        }
        seen.push(data);
      },
      { retries: 0, backoff: { minMs: 1, maxMs: 2 }, pauseOn: (error) => error instanceof Error && error.message.includes("away") },
    );
    await publish("pauses.x", 4);
    await vi.waitFor(() => expect(subscription.ackedOffset).toBe(4n), { timeout: 10_000 });
    expect(seen).toEqual([0, 1, 2, 3]);
    expect(kinds.filter((kind) => kind === "paused" || kind === "resumed" || kind === "parked")).toEqual(["paused", "resumed"]);
    await subscription.close();
    await running;
    await expect(subscription.run(() => undefined, { concurrency: 2, order: "offset" })).rejects.toThrow("one at a time");
  });

  test("subscribes as a browser does: a server stream, and acks beside it", async () => {
    const subscription = createBrowserSubscriber({ brokerUrl }).subscribe({ consumer: "browser", patterns: ["web.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    await publish("web.x", 3);
    const data: unknown[] = [];
    for await (const event of subscription) {
      data.push(event.data);
      if (event.data === 1) event.park("beside the stream");
      else event.ack();
      if (data.length < 3) continue;
      await vi.waitFor(() => expect(subscription.ackedOffset).toBe(3n));
      break;
    }
    expect(data).toEqual([0, 1, 2]);
  });

  test("W8: a subscription that takes nothing does not hold up another one of the same subscriber", async () => {
    const subscriber = createSubscriber({ brokerUrl });
    const stuck = subscriber.subscribe({ consumer: "stuck", patterns: ["big.#"], maxInFlight: 10_000 });
    const free = subscriber.subscribe({ consumer: "free", patterns: ["big.#"] });
    await vi.waitFor(() => expect([stuck.current.kind, free.current.kind]).toEqual(["caughtUp", "caughtUp"]));
    const data = "x".repeat(10_000);
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    for (let i = 0; i < 20; i += 1) await publisher.publishAll(Array.from({ length: 100 }, () => ({ type: "big.x", source: "/s", data })));
    let taken = 0;
    const running = free.run(() => void (taken += 1));
    await vi.waitFor(() => expect(taken).toBe(2_000), { timeout: 20_000 });
    let late = 0;
    const catching = stuck.run(() => void (late += 1));
    await vi.waitFor(() => expect(late).toBe(2_000), { timeout: 20_000 });
    await subscriber.close();
    await Promise.all([running, catching]);
  });

  test("S11: one process has 300 named subscriptions, and each gets its events", async () => {
    const subscriber = createSubscriber({ brokerUrl });
    const all = Array.from({ length: 300 }, (_, n) => subscriber.subscribe({ consumer: `many-${n}`, patterns: ["many.#"] }));
    await vi.waitFor(() => expect(all.filter(({ current }) => current.kind !== "caughtUp")).toEqual([]), { timeout: 30_000 });
    await publish("many.x", 1);
    const taken = all.map(async (each) => {
      for await (const { offset, ack } of each) {
        ack();
        return offset;
      }
      return undefined;
    });
    expect(new Set(await Promise.all(taken))).toEqual(new Set([1n]));
    await subscriber.close();
  });

  test("who closes a subscriber or a publisher keeps no connection to the broker", async () => {
    const target = new URL(brokerUrl);
    let open = 0;
    const counting = createServer((client) => {
      open += 1;
      const broker = connect(Number(target.port), target.hostname);
      client.once("close", () => {
        open -= 1;
        broker.destroy();
      });
      for (const socket of [client, broker]) socket.on("error", () => undefined);
      client.pipe(broker).pipe(client);
    });
    await new Promise<void>((resolve) => counting.listen(0, "127.0.0.1", resolve));
    const through = { brokerUrl: `http://127.0.0.1:${(counting.address() as AddressInfo).port}` };
    const subscriber = createSubscriber(through);
    const subscription = subscriber.subscribe({ consumer: "brief", patterns: ["brief.#"] });
    const publisher = createPublisher(through);
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"), { timeout: 10_000 });
    await publisher.publish({ type: "brief.x", source: "/s" });
    expect(open).toBe(2);
    await Promise.all([subscriber.close(), publisher.drain()]);
    await vi.waitFor(() => expect(open).toBe(0), { timeout: 10_000 });
    // It connects again for who subscribes again.
    const again = subscriber.subscribe({ consumer: "brief", patterns: ["brief.#"] });
    await vi.waitFor(() => expect(again.current.kind).toBe("caughtUp"), { timeout: 10_000 });
    await subscriber.close();
    await new Promise((resolve) => counting.close(resolve));
  });
});
