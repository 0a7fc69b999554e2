import type { PeerClient } from "../client.ts";

/**
 * Clients by name: processes are told which to use. Each is loaded when it is asked for, as in a program of its own: ioredis alone leaves V8 a `String.prototype` whose
 * methods it inlines no more, and everybody else's program pays for that.
 */
export const clients = {
  warren: async () => (await import("./warren.ts")).warren,
  warrenForeign: async () => (await import("./warren.ts")).warrenForeign,
  jetStream: async () => (await import("./jetstream.ts")).jetStream,
  jetStreamTuned: async () => (await import("./jetstream.ts")).jetStreamTuned,
  jetStreamBatched: async () => (await import("./jetstream.ts")).jetStreamBatched,
  rabbitMqStream: async () => (await import("./rabbitmq-stream.ts")).rabbitMqStream,
  amqpQueues: async () => (await import("./amqp-queues.ts")).amqpQueues,
  redisStream: async () => (await import("./redis-stream.ts")).redisStream,
  straight: async () => (await import("../../limits/straight-client.ts")).straight,
  straightForeign: async () => (await import("../../limits/straight-client.ts")).straightForeign,
} satisfies Record<string, () => Promise<PeerClient>>;

/** Name of a client. */
export type ClientName = keyof typeof clients;
