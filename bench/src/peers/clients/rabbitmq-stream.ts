import { connect, Offset, type Client, type Consumer } from "rabbitmq-stream-js-client";
import { Connection } from "rabbitmq-stream-js-client/dist/connection.js";
import { given, type PeerClient, type Target } from "../client.ts";
import { Fifo } from "../fifo.ts";

// RabbitMQ 3.10, which Debian 12 has, does not know the command that exchanges versions, and closes a connection on which it comes. All that is used here is older.
Object.assign(Connection.prototype, { exchangeCommandVersions: () => Promise.resolve() });

const open = (target: Target): Promise<Client> =>
  connect({ hostname: "127.0.0.1", port: Number(given(target, "streamPort")), username: "guest", password: "guest", vhost: "/" });

const storeEvery = 1_000;
const chunkBytes = 256 * 1024;

/** RabbitMQ streams with their own client and protocol; a consumer stores its offset on the server every 1 000 messages. */
export const rabbitMqStream: PeerClient = {
  window: 5_000,
  async create(target, { name }) {
    const client = await open(target);
    await client.createStream({ stream: name });
    await client.close();
  },
  async remove(target, { name }) {
    const client = await open(target);
    await client.deleteStream({ stream: name });
    await client.close();
  },
  async openPublisher(target, { name, eventBytes }) {
    const client = await open(target);
    // Events that are sent together must fit into a frame of 1 MiB, or the client throws; 100 is its default.
    const maxChunkLength = Math.max(1, Math.min(100, Math.floor(chunkBytes / eventBytes)));
    const publisher = await client.declarePublisher({ stream: name, maxChunkLength });
    const waiting = new Fifo<(error?: Error) => void>();
    publisher.on("publish_confirm", (error, ids) => {
      for (const _ of ids) waiting.take()?.(error === null ? undefined : new Error(`error ${error} of RabbitMQ`));
    });
    return {
      send(payload, settle) {
        waiting.add(settle);
        publisher.send(payload).catch(settle);
      },
      close: () => client.close(),
    };
  },
  async openSubscribers(target, { name, subscribers }, take) {
    const client = await open(target);
    const consumers: { readonly consumer: Consumer; readonly last: () => bigint | undefined }[] = [];
    for (const [index, consumerRef] of subscribers.entries()) {
      const stored = await client.queryOffset({ reference: consumerRef, stream: name }).catch(() => undefined);
      // What is stored was taken. The client drops what comes before the offset that it asked for.
      const offset = stored === undefined ? Offset.first() : Offset.offset(stored + 1n);
      let taken = 0;
      let last: bigint | undefined;
      const consumer = await client.declareConsumer({ stream: name, consumerRef, offset }, (message) => {
        take(index, message.content);
        last = message.offset;
        taken += 1;
        if (taken % storeEvery === 0 && last !== undefined) void consumer.storeOffset(last);
      });
      consumers.push({ consumer, last: () => last });
    }
    return {
      async close() {
        for (const { consumer, last } of consumers) {
          const offset = last();
          if (offset !== undefined) await consumer.storeOffset(offset);
        }
        // The answer to a question says that the server has what was told before.
        for (const { consumer, last } of consumers) if (last() !== undefined) await consumer.queryOffset();
        await client.close();
      },
    };
  },
};
