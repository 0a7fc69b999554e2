import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager, StorageType, type JsMsg } from "@nats-io/jetstream";
import { connect, createInbox, type NatsConnection } from "@nats-io/transport-node";
import { Fifo } from "../fifo.ts";
import { given, type PeerClient, type PeerPublisher, type Target, type Topic } from "../client.ts";

const open = (target: Target): Promise<NatsConnection> => connect({ servers: given(target, "nats") });
const maxUnacked = 20_000;

/** NATS JetStream as its users call it: `publish()` concurrently, durable consumers, an ack for each message. */
export const jetStream: PeerClient = client(AckPolicy.Explicit, publishOneByOne);

/** NATS JetStream with one inbox of our own for all its acknowledgements. */
export const jetStreamTuned: PeerClient = client(AckPolicy.Explicit, publishToOneInbox);

/** As before, and its consumers ack many messages at once. */
export const jetStreamBatched: PeerClient = client(AckPolicy.All, publishToOneInbox);

/** What may be under way to one consumer: a server that cannot send 64 MiB at once to a connection closes it. */
const messagesUnderWay = (most: number, { eventBytes }: Topic): number =>
  Math.max(10, Math.min(most, Math.floor((2 * 1024 * 1024) / eventBytes)));

function client(
  ackPolicy: AckPolicy,
  openPublisher: (connection: NatsConnection, subject: string) => Omit<PeerPublisher, "close">,
): PeerClient {
  return {
    window: 5_000,
    async create(target, { name, subscribers }) {
      const connection = await open(target);
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name, subjects: [name], storage: StorageType.File });
      for (const durable of subscribers) {
        const deliver = { deliver_policy: DeliverPolicy.All, max_ack_pending: maxUnacked };
        await manager.consumers.add(name, { durable_name: durable, ack_policy: ackPolicy, ...deliver });
      }
      await connection.close();
    },
    async remove(target, { name }) {
      const connection = await open(target);
      await (await jetstreamManager(connection)).streams.delete(name);
      await connection.close();
    },
    async openPublisher(target, { name }) {
      const connection = await open(target);
      return { ...openPublisher(connection, name), close: () => connection.drain() };
    },
    async openSubscribers(target, topic, take) {
      const connection = await open(target);
      const close = await (ackPolicy === AckPolicy.All ? takeAckingMany : takeAckingEach)(connection, topic, take);
      return {
        async close() {
          await close();
          await connection.drain();
        },
      };
    },
  };
}

function publishOneByOne(connection: NatsConnection, subject: string): Omit<PeerPublisher, "close"> {
  const stream = jetstream(connection);
  return {
    send(payload, settle) {
      stream.publish(subject, payload).then(() => settle(), settle);
    },
  };
}

/** Acknowledgements of one connection to one stream come in the order of what they acknowledge. */
function publishToOneInbox(connection: NatsConnection, subject: string): Omit<PeerPublisher, "close"> {
  const waiting = new Fifo<(error?: Error) => void>();
  const reply = createInbox();
  const stored = Buffer.from('{"stream"');
  connection.subscribe(reply, {
    callback(_, message) {
      const settle = waiting.take();
      settle?.(Buffer.compare(message.data.subarray(0, stored.length), stored) === 0 ? undefined : new Error(message.string()));
    },
  });
  return {
    send(payload, settle) {
      waiting.add(settle);
      connection.publish(subject, payload, { reply });
    },
  };
}

type Taking = (
  connection: NatsConnection,
  topic: Topic,
  take: (subscriber: number, payload: Uint8Array) => void,
) => Promise<() => Promise<void>>;

const takeAckingEach: Taking = async (connection, topic, take) => {
  const { name, subscribers } = topic;
  const stream = jetstream(connection);
  const opened = await Promise.all(
    subscribers.map(async (durable, index) => {
      const messages = await (await stream.consumers.get(name, durable)).consume({ max_messages: messagesUnderWay(2_000, topic) });
      const taking = (async () => {
        for await (const message of messages) {
          take(index, message.data);
          message.ack();
        }
      })();
      return { messages, taking };
    }),
  );
  return async () => {
    for (const { messages, taking } of opened) {
      messages.stop();
      await taking;
    }
  };
};

const ackEvery = 200;

const takeAckingMany: Taking = async (connection, topic, take) => {
  const { name, subscribers } = topic;
  const stream = jetstream(connection);
  const opened = await Promise.all(
    subscribers.map(async (durable, index) => {
      let unacked = 0;
      let last: JsMsg | undefined;
      const callback = (message: JsMsg): void => {
        take(index, message.data);
        last = message;
        unacked += 1;
        if (unacked < ackEvery) return;
        unacked = 0;
        message.ack();
      };
      const messages = await (
        await stream.consumers.get(name, durable)
      ).consume({ max_messages: messagesUnderWay(5_000, topic), callback });
      return { messages, ack: () => last?.ack() };
    }),
  );
  return async () => {
    for (const { messages, ack } of opened) {
      messages.stop();
      ack();
    }
    await connection.flush();
  };
};
