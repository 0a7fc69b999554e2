import type { Channel, ConsumeMessage } from "amqplib";
import { given, type PeerClient, type Target, type Topic } from "../client.ts";
import { connectAmqp, openPlainPublisher } from "./amqp.ts";

const queueOf = ({ name }: Topic, subscriber: string): string => `${name}.${subscriber}`;
const prefetch = 2_000;
const ackEvery = 500;
const ackMs = 5;

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
    const acks = await Promise.all(
      topic.subscribers.map(async (subscriber, index) => {
        const channel = await model.createChannel();
        await channel.prefetch(prefetch);
        const acker = new Acker(channel);
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
        for (const { acker, channel } of acks) {
          acker.flush();
          await channel.close();
        }
        await model.close();
      },
    };
  },
};

/** Acks many messages at once, and none later than a few milliseconds. */
class Acker {
  readonly #channel: Channel;
  #last: ConsumeMessage | undefined;
  #unacked = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  done(message: ConsumeMessage): void {
    this.#last = message;
    this.#unacked += 1;
    if (this.#unacked >= ackEvery) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), ackMs);
  }

  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#last !== undefined && this.#unacked > 0) this.#channel.ack(this.#last, true);
    this.#unacked = 0;
  }
}

async function onChannel(target: Target, use: (channel: Channel) => Promise<void>): Promise<void> {
  const model = await connectAmqp(given(target, "amqp"));
  await use(await model.createChannel());
  await model.close();
}
