import { startFaultProxy, testNamespace, type FaultProxy } from "@warren/testkit";
import { connect } from "amqplib";
import { inject } from "vitest";
import { describeTransport } from "../contract/index.ts";
import type { Transport } from "../transport.ts";
import { createAmqpTransport } from "./amqp-transport.ts";

/** Sizes and numbers of AMQP 0-9-1, section 4.2.3 and class 60: frame type, channel, size; class, method; end of frame. */
const frame = { head: 7, end: 1, method: 1, endOctet: 0xce, basic: 60, consume: 20, ack: 80 };

/** Remembers which channel consumes which queue, and makes RabbitMQ close it alone: an ack of a tag that never was is a 406 of the channel. */
function watchConsumers(proxy: FaultProxy): { breakChannel(queue: string): void } {
  const channels = new Map<string, () => void>();
  proxy.onSent((chunk, inject) => {
    for (
      let at = 0;
      at + frame.head < chunk.length && chunk[at] === frame.method;
      at += frame.head + chunk.readUInt32BE(at + 3) + frame.end
    ) {
      const method = at + frame.head;
      if (chunk.readUInt16BE(method) !== frame.basic || chunk.readUInt16BE(method + 2) !== frame.consume) continue;
      const name = method + 6;
      const queue = chunk.toString("utf8", name + 1, name + 1 + chunk.readUInt8(name));
      const ack = Buffer.alloc(frame.head + 13 + frame.end);
      ack.writeUInt8(frame.method, 0);
      ack.writeUInt16BE(chunk.readUInt16BE(at + 1), 1);
      ack.writeUInt32BE(13, 3);
      ack.writeUInt16BE(frame.basic, 7);
      ack.writeUInt16BE(frame.ack, 9);
      ack.writeBigUInt64BE(1_000_000n, 11);
      ack.writeUInt8(frame.endOctet, 20);
      channels.set(queue, () => inject(ack));
    }
  });
  return {
    breakChannel(queue) {
      const run = channels.get(queue);
      if (run === undefined) throw new Error(`nobody consumes ${queue}`);
      run();
    },
  };
}

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
