import { startFaultProxy, testNamespace, watchConsumers } from "@warren/testkit";
import { connect } from "amqplib";
import { inject } from "vitest";
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
