import type { ConfirmChannel } from "amqplib";
import { answer } from "../harness/child.ts";
import { machineMs } from "../harness/clock.ts";
import { connectAmqp } from "../peers/clients/amqp.ts";

/** Publishes packs to a queue, or takes them from it: nothing else. */

const window = 100;
const ackEvery = 20;

interface Where {
  readonly amqp: string;
  readonly queue: string;
}

answer({
  async create({ amqp, queue }: Where) {
    const model = await connectAmqp(amqp);
    const channel = await model.createChannel();
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.assertExchange(queue, "topic", { durable: true });
    await channel.bindQueue(queue, queue, "#");
    await model.close();
  },
  /** So many messages of these bytes, each confirmed. */
  async publish({ amqp, queue, body, messages }: Where & { readonly body: Uint8Array; readonly messages: number }) {
    const model = await connectAmqp(amqp);
    const channel = await model.createConfirmChannel();
    const firstAtMs = machineMs();
    await send(channel, queue, Buffer.from(body), messages);
    await model.close();
    return firstAtMs;
  },
  /** Resolves with when the last of so many messages came. */
  async consume({ amqp, queue, messages }: Where & { readonly messages: number }) {
    const model = await connectAmqp(amqp);
    const channel = await model.createChannel();
    await channel.prefetch(window * 2);
    const { promise, resolve } = Promise.withResolvers<number>();
    let taken = 0;
    await channel.consume(queue, (message) => {
      if (message === null) return;
      taken += 1;
      if (taken % ackEvery === 0 || taken === messages) channel.ack(message, true);
      if (taken === messages) resolve(machineMs());
    });
    const lastAtMs = await promise;
    await channel.close();
    await model.close();
    return lastAtMs;
  },
});

function send(channel: ConfirmChannel, queue: string, body: Buffer, messages: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let sent = 0;
  let confirmed = 0;
  const confirm = (error: unknown): void => {
    if (error !== null && error !== undefined) return reject(new Error("RabbitMQ did not confirm", { cause: error }));
    confirmed += 1;
    if (confirmed === messages) return resolve();
    fill();
  };
  const fill = (): void => {
    for (; sent < messages && sent - confirmed < window; sent += 1) channel.publish(queue, "bench", body, { persistent: true }, confirm);
  };
  fill();
  return promise;
}
