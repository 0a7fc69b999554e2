import { startFaultProxy, testNamespace, watchConsumers } from "@warren/test-servers";
import { connect } from "amqplib";
import { expect, inject, test, vi } from "vitest";
import { describeTransport } from "../contract/index.ts";
import type { Transport } from "../transport.ts";
import { createAmqpTransport } from "./amqp-transport.ts";

describeTransport(
  "amqplib",
  async () => {
    const url = new URL(inject("amqpUrl"));
    const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5672) });
    const through = new URL(url);
    through.hostname = "127.0.0.1";
    through.port = String(proxy.port);
    const consumers = watchConsumers(proxy);
    const admin = await connect(url.href);
    const prefix = testNamespace();
    return {
      connect: (): Transport => createAmqpTransport({ url: through.href, connectionName: "transport test" }),
      prefix,
      faults: {
        closeChannel: async (queue) => consumers.breakChannel(queue),
        resetConnection: async () => proxy.reset(),
        resetDuringSetup: async (count) => proxy.resetNext(count),
        async deleteQueue(queue) {
          const channel = await admin.createChannel();
          await channel.deleteQueue(queue);
          await channel.close();
        },
        async makeFanoutExchange(name) {
          const channel = await admin.createChannel();
          await channel.assertExchange(name, "fanout", { durable: true });
          await channel.close();
        },
      },
      async close() {
        await admin.close();
        await proxy.close();
      },
    };
  },
  { block: false },
);

test("a handler that throws, which it must not, costs its own channel, and the message comes again", async () => {
  const exchange = testNamespace();
  const transport = createAmqpTransport({ url: inject("amqpUrl"), connectionName: "transport test" });
  const lines: string[] = [];
  const consume = (name: string, delivered: (body: string) => void): void => {
    transport.consume({
      topology: { exchange: { name: exchange, mode: "declare" }, queue: { name, patterns: ["#"], singleActiveConsumer: true } },
      prefetch: 10,
      existing: false,
      queueMissing: () => Promise.resolve(),
      handler: {
        opened: (channel) => lines.push(`${name} opened ${channel}`),
        delivered: (_, { body }) => delivered(new TextDecoder().decode(body)),
        closed: (channel, { kind }) => lines.push(`${name} closed ${channel} ${kind}`),
        waiting: ({ code }) => lines.push(`${name} waiting ${code}`),
      },
    });
  };
  const [bad, good] = [`${exchange}.bad`, `${exchange}.good`];
  let thrown = 0;
  consume(bad, (body) => {
    thrown += 1;
    if (thrown === 1) throw new Error("a bug");
    lines.push(`${bad} got ${body}`);
  });
  consume(good, (body) => lines.push(`${good} got ${body}`));
  await vi.waitFor(() => expect(lines.toSorted()).toEqual([`${bad} opened 1`, `${good} opened 1`]));
  await transport.createPublisher({ exchange }).publish({ exchange, routingKey: "a", headers: new Map(), body: Buffer.from("1") });
  await vi.waitFor(() => expect(lines).toContain(`${bad} got 1`), { timeout: 10_000 });
  expect(lines.filter((line) => line.startsWith(good))).toEqual([`${good} opened 1`, `${good} got 1`]);
  await transport.close();
  const admin = await connect(inject("amqpUrl"));
  const channel = await admin.createChannel();
  for (const name of [bad, good]) await channel.deleteQueue(name);
  await channel.deleteExchange(exchange);
  await admin.close();
});

test("W9: a queue that is made again takes events of all its patterns from the same moment on", async () => {
  const exchange = testNamespace();
  const queue = `${exchange}.q`;
  const patterns = Array.from({ length: 32 }, (_, n) => `p${n}`);
  const transport = createAmqpTransport({ url: inject("amqpUrl"), connectionName: "transport test" });
  const rounds: string[] = [];
  const consumer = transport.consume({
    topology: { exchange: { name: exchange, mode: "declare" }, queue: { name: queue, patterns, singleActiveConsumer: true } },
    prefetch: 500,
    existing: false,
    queueMissing: () => Promise.resolve(rounds.push("missing")).then(() => undefined),
    handler: {
      opened: () => undefined,
      delivered(channel, { body, tag }) {
        rounds.push(new TextDecoder().decode(body));
        consumer.ackUpTo(channel, tag);
      },
      closed: () => undefined,
      waiting: () => undefined,
    },
  });
  const admin = await connect(inject("amqpUrl"));
  const channel = await admin.createConfirmChannel();
  await vi.waitFor(() => channel.checkExchange(exchange), { timeout: 10_000 });
  // In each round the first pattern that is bound, then the last.
  let round = 0;
  const publish = async (): Promise<void> => {
    round += 1;
    for (const pattern of ["p0", "p31"]) channel.publish(exchange, pattern, Buffer.from(String(round)));
    await channel.waitForConfirms();
  };
  while (rounds.length < 2) await publish();
  await channel.deleteQueue(queue);
  const before = rounds.length;
  while (rounds.length < before + 21) await publish();
  // The first may have come in the middle of a round; from then on each is whole.
  const after = rounds.slice(rounds.indexOf("missing") + 1);
  if (after[0] !== after[1]) after.shift();
  const whole = after.slice(0, after.length - (after.length % 2));
  expect(whole).toEqual(whole.map((_, index) => String(Number(after[0]) + Math.floor(index / 2))));
  await transport.close();
  await channel.deleteQueue(queue);
  await channel.deleteExchange(exchange);
  await admin.close();
});

test("W11: a connection that is lost while a channel of its set-up is being closed is made again, and the queue consumed", async () => {
  const url = new URL(inject("amqpUrl"));
  const proxy = await startFaultProxy({ host: url.hostname, port: Number(url.port || 5672) });
  const through = new URL(url);
  through.hostname = "127.0.0.1";
  through.port = String(proxy.port);
  // Channel.Close, as the client sends it: frame type, channel, size; class 20, method 40.
  let lost = 0;
  proxy.onSent((chunk) => {
    if (lost >= 3 || chunk[0] !== 1 || chunk.readUInt16BE(7) !== 20 || chunk.readUInt16BE(9) !== 40) return;
    lost += 1;
    proxy.reset();
  });
  const exchange = testNamespace();
  const transport = createAmqpTransport({ url: through.href, connectionName: "transport test" });
  const opened: number[] = [];
  transport.consume({
    topology: {
      exchange: { name: exchange, mode: "declare" },
      queue: { name: `${exchange}.q`, patterns: ["#"], singleActiveConsumer: true },
    },
    prefetch: 10,
    existing: false,
    queueMissing: () => Promise.resolve(),
    handler: { opened: (channel) => opened.push(channel), delivered: () => undefined, closed: () => undefined, waiting: () => undefined },
  });
  await vi.waitFor(() => expect(opened).toEqual([1]), { timeout: 10_000 });
  expect(lost).toBe(3);
  await transport.close();
  await proxy.close();
  const admin = await connect(url.href);
  const channel = await admin.createChannel();
  await channel.deleteQueue(`${exchange}.q`);
  await channel.deleteExchange(exchange);
  await admin.close();
});
