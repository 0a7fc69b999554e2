import { WarrenError } from "@warren/protocol";
import type { Channel, Replies } from "amqplib";
import type { ExchangeSpec, Topology } from "../transport.ts";
import type { AmqpConnection } from "./amqp-connection.ts";
import { messageOf, replyCode, unavailable } from "./amqp-errors.ts";
import { closeQuietly } from "./close-quietly.ts";

/** Runs on a channel of its own: a check that fails closes its channel. */
async function onChannel<T>(connection: AmqpConnection, run: (channel: Channel) => Promise<T>): Promise<T> {
  const channel = await connection.channel();
  try {
    return await run(channel);
  } finally {
    await closeQuietly(channel);
  }
}

/** Declares or checks an exchange. Throws TRANSPORT_UNAVAILABLE (also: not there yet) or EXCHANGE_INVALID. */
export async function ensureExchange(connection: AmqpConnection, { name, mode }: ExchangeSpec): Promise<void> {
  try {
    if (mode === "passive") await onChannel(connection, (channel) => channel.checkExchange(name));
    await onChannel(connection, (channel) => channel.assertExchange(name, "topic", { durable: true }));
  } catch (error) {
    if (error instanceof WarrenError) throw error;
    if (replyCode(error) === 404) {
      const text = `exchange ${name} does not exist yet; start the archiver, which makes it, or name an existing exchange in WARREN_EXCHANGE`;
      throw new WarrenError("TRANSPORT_UNAVAILABLE", text, { cause: error });
    }
    if (replyCode(error) !== 406) throw unavailable(error);
    // An exchange that was there before may have other properties; what matters is that it routes by topic.
    if (mode === "passive" && !/arg 'type'/.test(messageOf(error))) return;
    const text = `exchange ${name} exists and is not a durable topic exchange (${messageOf(error)}); delete it, or name another one in WARREN_EXCHANGE`;
    throw new WarrenError("EXCHANGE_INVALID", text, { cause: error });
  }
}

/** What RabbitMQ says of a queue; undefined: it does not exist. Throws TRANSPORT_UNAVAILABLE. */
export function lookUpQueue(connection: AmqpConnection, name: string): Promise<Replies.AssertQueue | undefined> {
  return unlessMissing(() => onChannel(connection, (channel) => channel.checkQueue(name)));
}

/**
 * Deletes a queue that nobody consumes; returns whether it is gone. Quorum queues refuse `if-unused`, so it is looked at first; who consumes a queue of ours declares
 * it again should it be gone. Throws TRANSPORT_UNAVAILABLE.
 */
export async function deleteQueue(connection: AmqpConnection, name: string): Promise<boolean> {
  const found = await lookUpQueue(connection, name);
  if (found === undefined) return true;
  if (found.consumerCount > 0) return false;
  await unlessMissing(() => onChannel(connection, (channel) => channel.deleteQueue(name)));
  return true;
}

async function unlessMissing<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    if (replyCode(error) === 404) return undefined;
    throw error instanceof WarrenError ? error : unavailable(error);
  }
}

/**
 * Declares queue and bindings; the exchange must exist. `atOnce`: the queue takes messages of all its patterns from the same moment on. Throws QUEUE_INVALID when the queue exists and cannot serve, TRANSPORT_UNAVAILABLE.
 * No delivery limit: RabbitMQ 4 would drop an event after 20 deliveries; older servers have no default and do not know -1.
 */
export async function declareQueue(connection: AmqpConnection, topology: Topology, { atOnce = false } = {}): Promise<void> {
  const { exchange, queue } = topology;
  const args: Record<string, unknown> = { "x-queue-type": "quorum" };
  if (queue.singleActiveConsumer) args["x-single-active-consumer"] = true;
  await connection.model();
  if (connection.serverMajor >= 4) args["x-delivery-limit"] = -1;
  try {
    await onChannel(connection, (channel) => channel.assertQueue(queue.name, { durable: true, arguments: args }));
  } catch (error) {
    if (error instanceof WarrenError) throw error;
    if (replyCode(error) !== 406) throw unavailable(error);
    // Made by an older server, without the limit's argument: it serves.
    if (/arg '(x-queue-type|x-single-active-consumer|durable)'/.test(messageOf(error))) {
      const text = `queue ${queue.name} exists with other arguments (${messageOf(error)}); delete it when it is empty, it is then made again`;
      throw new WarrenError("QUEUE_INVALID", text, { cause: error });
    }
  }
  try {
    await onChannel(connection, async (channel) => {
      const through = `${queue.name}.all-patterns`;
      if (atOnce && queue.patterns.length > 1) {
        await channel.assertExchange(through, "fanout", { durable: false, internal: true });
        for (const pattern of queue.patterns) await channel.bindExchange(through, exchange.name, pattern);
        await channel.bindQueue(queue.name, through, "");
      }
      // RabbitMQ puts a message that reaches a queue in two ways into it once.
      for (const pattern of queue.patterns) await channel.bindQueue(queue.name, exchange.name, pattern);
      if (atOnce) await channel.deleteExchange(through);
    });
  } catch (error) {
    throw error instanceof WarrenError ? error : unavailable(error);
  }
}
