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

  test("subscribes as a browser does: a server stream, and acks beside it", async () => {
    const subscription = createBrowserSubscriber({ brokerUrl }).subscribe({ consumer: "browser", patterns: ["web.#"] });
    await vi.waitFor(() => expect(subscription.current.kind).toBe("caughtUp"));
    await publish("web.x", 3);
    const data: unknown[] = [];
    for await (const event of subscription) {
      data.push(event.data);
      event.ack();
      if (data.length < 3) continue;
      await vi.waitFor(() => expect(subscription.ackedOffset).toBe(3n));
      break;
    }
    expect(data).toEqual([0, 1, 2]);
  });
});
