import type { PeerClient } from "../client.ts";
import { straight } from "../../limits/straight-client.ts";
import { amqpQueues } from "./amqp-queues.ts";
import { jetStream, jetStreamBatched, jetStreamTuned } from "./jetstream.ts";
import { rabbitMqStream } from "./rabbitmq-stream.ts";
import { redisStream } from "./redis-stream.ts";
import { warren, warrenForeign } from "./warren.ts";

/** Clients by name: processes are told which to use. */
export const clients = {
  warren,
  warrenForeign,
  jetStream,
  jetStreamTuned,
  jetStreamBatched,
  rabbitMqStream,
  amqpQueues,
  redisStream,
  straight,
} satisfies Record<string, PeerClient>;

/** Name of a client. */
export type ClientName = keyof typeof clients;
