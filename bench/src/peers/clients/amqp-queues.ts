import type { Channel } from "amqplib";
import { given, type PeerClient, type Target, type Topic } from "../client.ts";
import { connectAmqp, openPlainPublisher } from "./amqp.ts";
import { Acker } from "./acker.ts";

const queueOf = ({ name }: Topic, subscriber: string): string => `${name}.${subscriber}`;
const prefetch = 2_000;
const acks = { every: 500, withinMs: 5 } as const;

/**
 * RabbitMQ's queues with amqplib: a quorum queue for each subscriber, all bound to one exchange; confirms, and acks of many messages at once. With one subscriber it
 * is also the least that one event per AMQP message costs whoever stores nothing.
 */
export const amqpQueues: PeerClient = {
  window: 2_000,
  async create(target, topic) {
    await onChannel(target, async (channel) => {
      await channel.assertExchange(topic.name, "topic", { durable: true });
      for (const subscriber of topic.subscribers) {
        const queue = queueOf(topic, subscriber);
        await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
        await channel.bindQueue(queue, topic.name, "#");
      }
    });
  },
  async remove(target, topic) {
    await onChannel(target, async (channel) => {
      for (const subscriber of topic.subscribers) await channel.deleteQueue(queueOf(topic, subscriber));
      await channel.deleteExchange(topic.name);
    });
  },
  openPublisher: (target, { name }) => openPlainPublisher(given(target, "amqp"), name, name),
  async openSubscribers(target, topic, take) {
    const model = await connectAmqp(given(target, "amqp"));
    const consumers = await Promise.all(
      topic.subscribers.map(async (subscriber, index) => {
        const channel = await model.createChannel();
        await channel.prefetch(prefetch);
        const acker = new Acker(channel, acks);
        await channel.consume(queueOf(topic, subscriber), (message) => {
          if (message === null) throw new Error("RabbitMQ has cancelled a consumer");
          take(index, message.content);
          acker.done(message);
        });
        return { acker, channel };
      }),
    );
    return {
      async close() {
        for (const { acker, channel } of consumers) {
          acker.flush();
          await channel.close();
        }
        await model.close();
      },
    };
  },
};

async function onChannel(target: Target, use: (channel: Channel) => Promise<void>): Promise<void> {
  const model = await connectAmqp(given(target, "amqp"));
  await use(await model.createChannel());
  await model.close();
}
