import type { Channel, ChannelModel } from "amqplib";

/**
 * Closes a channel or a connection; never throws. Resolves also when the connection is lost before RabbitMQ has answered: of that amqplib tells nobody who waits for
 * `close` (2.3.1, `toClosing` in lib/channel.js and lib/connection.js).
 */
export function closeQuietly(open: Channel | ChannelModel): Promise<void> {
  return new Promise((resolve) => {
    open.once("close", () => resolve());
    void closeOrThrow(open).then(resolve, () => resolve());
  });
}

/** What is closed already throws at once: here too as a promise. */
async function closeOrThrow(open: Channel | ChannelModel): Promise<void> {
  await open.close();
}
