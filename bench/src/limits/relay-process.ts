import { createServer, type ServerHttp2Stream } from "node:http2";
import { connect, type ConsumeMessage } from "amqplib";
import { Client } from "pg";
import { answer } from "../harness/child.ts";

/**
 * The shortest way from a queue to clients that keeps what ours keeps: takes messages, commits all that came meanwhile in one durable statement, acks them, and writes
 * their bodies to each stream of HTTP/2. No ids, no offsets, no order over restarts, no back-pressure.
 */

interface Where {
  readonly amqp: string;
  readonly queue: string;
  readonly url: string;
  readonly port: number;
}

answer({
  async start({ amqp, queue, url, port }: Where) {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query("create table if not exists limit_relay (bytes bytea)");
    const model = await connect(amqp);
    const channel = await model.createChannel();
    await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
    await channel.assertExchange(queue, "topic", { durable: true });
    await channel.bindQueue(queue, queue, "#");
    const streams = new Set<ServerHttp2Stream>();
    const server = createServer();
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200 });
      // Something has to come for the client to know that it is open.
      stream.write(Buffer.alloc(1));
      streams.add(stream);
      stream.once("close", () => streams.delete(stream));
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    const waiting: ConsumeMessage[] = [];
    const state = { busy: false };
    const commit = async (): Promise<void> => {
      state.busy = true;
      while (waiting.length > 0) {
        const messages = waiting.splice(0);
        const batch = Buffer.concat(messages.map(({ content }) => content));
        await client.query({ name: "relay", text: "insert into limit_relay values ($1)", values: [batch] });
        const last = messages.at(-1);
        if (last !== undefined) channel.ack(last, true);
        for (const stream of streams) stream.write(batch);
      }
      state.busy = false;
    };
    await channel.prefetch(2_000);
    await channel.consume(queue, (message) => {
      if (message === null) return;
      waiting.push(message);
      if (!state.busy) void commit();
    });
  },
});
