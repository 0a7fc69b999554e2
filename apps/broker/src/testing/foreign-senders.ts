import { startFaultProxy } from "@warren/test-servers";
import { connect, type Options } from "amqplib";
import { inject } from "vitest";
import type { Arrived, World } from "./bad-input-world.ts";
import { deploy } from "./broker-under-test.ts";

/** What became of foreign messages, in words. */
export function told({ events, quarantined }: Arrived): string {
  const stored = events.length === 0 ? [] : [events.length === 1 ? "stored" : `stored ${events.length}`];
  return [...stored, ...quarantined.map(({ reason }) => `quarantine ${reason}`)].join(", ") || "nothing";
}

/** A broker whose exchange has no queue. */
export async function unroutable(): Promise<string> {
  const admin = await connect(inject("amqpUrl"));
  const channel = await admin.createChannel();
  const exchange = `unroutable-${Date.now()}`;
  await channel.assertExchange(exchange, "topic", { durable: true });
  const got = await publishThrough(exchange);
  await channel.deleteExchange(exchange);
  await admin.close();
  return got;
}

/** A broker whose exchange does not exist. */
export function noExchange(): Promise<string> {
  return publishThrough(`nothing-${Date.now()}`);
}

async function publishThrough(exchange: string): Promise<string> {
  const deployment = await deploy({ exchange, makeExchange: false });
  const { url } = await deployment.start();
  const response = await fetch(`${url}/warren.v1.PublishService/Publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: '{"events":[{"source":"/s","type":"a.b"}]}',
  });
  const { outcomes } = (await response.json()) as { readonly outcomes: readonly { readonly status: string; readonly code: string }[] };
  await deployment.close();
  return `${outcomes[0]?.status.replace("OUTCOME_STATUS_", "").toLowerCase()} ${outcomes[0]?.code}`;
}

/** Publishes with a routing key whose first byte is changed on its way: no library writes bytes that are not UTF-8. */
export async function garbled(world: World, key: string): Promise<string> {
  const url = new URL(inject("amqpUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5672) });
  proxy.onSent((chunk) => {
    const at = chunk.indexOf(key);
    if (at >= 0) chunk.writeUInt8(0xff, at);
  });
  url.hostname = "127.0.0.1";
  url.port = String(proxy.port);
  const connection = await connect(url.href);
  const channel = await connection.createConfirmChannel();
  channel.publish(world.deployment.exchange, key, Buffer.from("x"));
  await channel.waitForConfirms();
  await connection.close();
  await proxy.close();
  return told(await world.arrived());
}

/** Publishes what RabbitMQ itself refuses. */
export async function refusedByRabbitMq(world: World, options: Options.Publish): Promise<string> {
  const connection = await connect(inject("amqpUrl"));
  connection.on("error", () => undefined);
  const channel = await connection.createChannel();
  channel.on("error", () => undefined);
  const closed = new Promise((resolve) => {
    channel.on("close", resolve);
    connection.on("close", resolve);
  });
  channel.publish(world.deployment.exchange, "foreign.x", Buffer.from("x"), options);
  await closed;
  await connection.close().catch(() => undefined);
  return `RabbitMQ closes the sender's channel, ${told(await world.arrived())}`;
}
