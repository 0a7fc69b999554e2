import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { createPublisher } from "@warren/client";
import { PublishService, SubscriptionService } from "@warren/protocol/v1";
import { createLogger } from "@warren/service";
import { testNamespace } from "@warren/test-servers";
import { describe, expect, inject, test, vi } from "vitest";
import { openBroker } from "./composition-root.ts";
import { deploy } from "./testing/broker-under-test.ts";
import { RawSession } from "./testing/raw-session.ts";

const canary = "canary-7c1f";

function capture() {
  let text = "";
  const logger = createLogger({ name: "broker", level: "debug", destination: { write: (line) => void (text += line) } });
  return { logger, text: () => text };
}

function withPassword(url: string): string {
  const changed = new URL(url);
  changed.password = canary;
  return changed.href;
}

/** What a stranger may read of an app. */
async function told(url: string): Promise<string> {
  const pages = ["/readyz?verbose", "/metrics", "/startupz", "/livez"];
  return (await Promise.all(pages.map(async (page) => (await fetch(`${url}${page}`)).text()))).join("\n");
}

describe("secrets", () => {
  test("S20: passwords that do not fit stand in no log line, probe, metric or error", async () => {
    const { logger, text } = capture();
    const namespace = testNamespace();
    const broker = openBroker(
      {
        amqpUrl: withPassword(inject("amqpUrl")),
        // Nothing listens there, whatever passwords the server asks for.
        databaseUrl: `postgres://warren:${canary}@127.0.0.1:1/nothing?password=${canary}`,
        listen: { host: "127.0.0.1", port: 0 },
        namespace,
        exchange: `${namespace}.events`,
        archiveUrl: undefined,
        retireAfterMs: 0,
        logLevel: "debug",
      },
      logger,
    );
    const starting = broker.start(new AbortController().signal).catch(() => undefined);
    await vi.waitFor(() => expect(text()).toContain("waiting for the exchange"), { timeout: 20_000 });
    await vi.waitFor(() => expect(text()).toContain("waiting for the database"), { timeout: 20_000 });
    const client = createClient(SubscriptionService, createConnectTransport({ baseUrl: broker.url, httpVersion: "2" }));
    const errors: ConnectError[] = [];
    try {
      for await (const _ of client.follow({ open: { consumer: "x", receiver: { patterns: ["#"] } } })) void _;
    } catch (error) {
      errors.push(ConnectError.from(error));
    }
    expect(errors).toMatchObject([{ code: Code.Unavailable }]);
    expect(await told(broker.url)).not.toContain(canary);
    expect(`${errors[0]?.message} ${JSON.stringify([...(errors[0]?.metadata ?? [])])}`).not.toContain(canary);
    await broker.drop();
    await starting;
    expect(text()).not.toContain(canary);
  });

  test("S20: payloads, ids of the caller and credentials of requests stand in no log line and no metric", async () => {
    const { logger, text } = capture();
    const deployment = await deploy();
    const { url } = await deployment.start({ logger });
    const session = new RawSession(url, { consumer: "secret", receiver: { patterns: ["secret.#"] } });
    await session.frame("caughtUp");
    await using publisher = createPublisher({ amqpUrl: inject("amqpUrl"), exchange: deployment.exchange });
    await publisher.publish({ type: "secret.x", source: "/s", id: "same", data: { card: canary }, extensions: { token: canary } });
    await session.received(1);
    // The same id with other data: set aside, and the log says that something was.
    await publisher.publish({ type: "secret.x", source: "/s", id: "same", data: { other: canary } });
    const headers = { authorization: `Bearer ${canary}`, cookie: canary };
    const client = createClient(PublishService, createConnectTransport({ baseUrl: url, httpVersion: "2" }));
    await client.publish({ events: [{ type: "secret.y", source: "/s", body: { case: "text", value: canary } }] }, { headers });
    await client.publish({ events: [{ type: "not a type", source: "/s", body: { case: "text", value: canary } }] }, { headers });
    await fetch(`${url}/v1/follow?pattern=a..b&token=${canary}`, { headers });
    await session.received(2);
    const page = await told(url);
    expect(page).toContain("warren_events_stored_total");
    expect(page).not.toContain(canary);
    await session.leave();
    await deployment.close();
    expect(text()).not.toBe("");
    expect(text()).not.toContain(canary);
  });
});
