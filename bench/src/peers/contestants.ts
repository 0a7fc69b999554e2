import type { Target } from "./client.ts";
import type { ClientName } from "./clients/index.ts";
import type { Servers } from "./servers.ts";

/** Whether a contestant takes part in a measure of a quick run. */
export type Often = "always" | "not quick";

/** A system, used in one way. */
export interface Contestant {
  readonly label: string;
  readonly client: ClientName;
  readonly target: (servers: Servers) => Target;
  /** What is on disk when the publisher hears that the event is stored. */
  readonly durability: string;
  /** Whether what is published is stored for a sleeping subscriber only some time after the publisher has heard. */
  readonly storesLater?: boolean;
  /** Only published to delivered, with so many subscribers. */
  readonly onlyThroughput?: number;
  /** Takes no part in a quick run. */
  readonly onlyFull?: boolean;
  /** Ours, and those for which there is a goal, take part in a quick run as well. */
  readonly throughput10: Often;
  readonly latency: Often;
  readonly catchUp: Often;
}

const forced = "the event, forced to disk";
const stored = `${forced} by RabbitMQ (quorum queues); delivered only when it is committed and forced to disk by PostgreSQL, stored once by its id`;
const ours = { client: "warren", durability: stored, storesLater: true } as const;

/** All contestants, ours first, by key. */
export const contestants = {
  warren: {
    ...ours,
    label: "Warren",
    target: ({ warren }) => warren,
    throughput10: "always",
    latency: "always",
    catchUp: "always",
  },
  warrenArchived: {
    ...ours,
    label: "Warren, archived too",
    durability: `${stored}; and a second time, as rows of the archive`,
    target: ({ warrenArchived }) => warrenArchived,
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "not quick",
  },
  jetStream: {
    label: "NATS JetStream, `publish()`",
    client: "jetStream",
    target: ({ nats }) => nats,
    durability: "nothing: it is in the page cache, forced to disk every 2 minutes",
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "always",
  },
  jetStreamTuned: {
    label: "NATS JetStream, hand-tuned",
    client: "jetStreamTuned",
    target: ({ nats }) => nats,
    durability: "nothing, as above",
    throughput10: "always",
    latency: "not quick",
    catchUp: "not quick",
  },
  jetStreamBatched: {
    label: "NATS JetStream, hand-tuned, batched acks",
    client: "jetStreamBatched",
    target: ({ nats }) => nats,
    durability: "nothing, as above",
    onlyFull: true,
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "not quick",
  },
  redisAlways: {
    label: "Redis streams, fsync always",
    client: "redisStream",
    target: ({ redisAlways }) => redisAlways,
    durability: forced,
    throughput10: "always",
    latency: "not quick",
    catchUp: "not quick",
  },
  redisEverysec: {
    label: "Redis streams, fsync every second",
    client: "redisStream",
    target: ({ redisEverysec }) => redisEverysec,
    durability: "nothing: up to a second of events may be lost",
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "always",
  },
  quorumQueues: {
    label: "RabbitMQ, quorum queue per subscriber",
    client: "amqpQueues",
    target: ({ rabbitMq }) => rabbitMq,
    durability: forced,
    throughput10: "always",
    latency: "always",
    catchUp: "always",
  },
  rabbitMqStream: {
    label: "RabbitMQ streams",
    client: "rabbitMqStream",
    target: ({ rabbitMq }) => rabbitMq,
    durability: "nothing: it is in the page cache, forced to disk when the system likes",
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "not quick",
  },
  warrenForeign: {
    ...ours,
    client: "warrenForeign",
    label: "Warren, plain messages of a foreign sender",
    target: ({ warren }) => warren,
    onlyThroughput: 1,
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "not quick",
  },
  warrenUnpacked: {
    ...ours,
    label: "Warren, its SDK without packs",
    target: ({ warren }) => ({ ...warren, packing: "false" }),
    onlyThroughput: 1,
    throughput10: "not quick",
    latency: "not quick",
    catchUp: "not quick",
  },
} as const satisfies Record<string, Contestant>;

/** Key of a contestant. */
export type ContestantKey = keyof typeof contestants;
