import { createPostgresArchiveStore, migrateArchive, type ArchiveStore } from "@warren/event-store/archive";
import { openDatabase, schemaName } from "@warren/postgres";
import { systemClock, UuidSource, type Clock, type Logger } from "@warren/protocol";
import { ArchiveService } from "@warren/protocol/v1";
import {
  createMetrics,
  describeConfig,
  HealthRegistry,
  pollHealth,
  startServer,
  waitForStore,
  type ListenAddress,
  type RunningServer,
} from "@warren/service";
import type { ExchangeSpec, Transport } from "@warren/transport";
import { createAmqpTransport } from "@warren/transport/amqp";
import { archiveService } from "./archive-service.ts";
import { ArchiveWriter, type ArchiveCounters } from "./archive-writer.ts";
import type { ArchiverConfig } from "./config.ts";

/** The parts of an archiver. */
export interface ArchiverParts {
  readonly transport: Transport;
  readonly store: ArchiveStore;
  readonly listen: ListenAddress;
  readonly namespace: string;
  readonly exchange: ExchangeSpec;
  readonly logger: Logger;
  /** Makes the tables; tried again while the database is away. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Throws while the database does not answer; asked from time to time, for readiness. */
  readonly checkStore?: (() => Promise<void>) | undefined;
  /** Closes what was opened for this archiver alone. */
  readonly dispose?: (() => Promise<void>) | undefined;
  readonly clock?: Clock | undefined;
}

/** An archiver. */
export interface Archiver {
  /** Where it listens; known once `start` resolved. */
  readonly url: string;
  readonly counters: Readonly<ArchiveCounters>;
  /** Listens at once; resolves when the tables exist and it consumes or waits for RabbitMQ. Throws ADDRESS_IN_USE, CONFIG_INVALID. */
  start(signal: AbortSignal): Promise<void>;
  /** Stops consuming, closes. Twice is fine. */
  drain(): Promise<void>;
}

/** Puts an archiver together from its parts. */
export function createArchiver(parts: ArchiverParts): Archiver {
  const { transport, store, listen, namespace, exchange, logger, clock = systemClock } = parts;
  const uuids = new UuidSource();
  const writer = new ArchiveWriter({
    transport,
    store,
    clock,
    ids: { uuid: () => uuids.next(clock.wallMs()) },
    random: Math.random,
    logger,
  });
  const health = new HealthRegistry();
  const metrics = createMetrics();
  const stopping = new AbortController();
  const database = parts.checkStore === undefined ? undefined : pollHealth("database", parts.checkStore, clock);
  let server: RunningServer | undefined;
  let closing: Promise<void> | undefined;
  health.add({ name: "rabbitmq", problem: () => writer.problems.rabbitmq });
  health.add({ name: "database", problem: () => database?.problem() ?? writer.problems.database });
  metrics.counter("archiver_events", "Events stored in the archive", () => [{ value: writer.counters.stored }]);
  metrics.counter("archiver_duplicates_dropped", "Events dropped because they are archived already", () => [
    { value: writer.counters.repeats },
  ]);
  metrics.counter("archiver_quarantined", "Events set aside", () => [{ value: writer.counters.quarantined }]);

  return {
    get url() {
      return server?.url ?? "";
    },
    get counters() {
      return writer.counters;
    },
    async start(outer) {
      const signal = AbortSignal.any([outer, stopping.signal]);
      server = await startServer({
        listen,
        services: [ArchiveService],
        routes: (router) => void router.service(ArchiveService, archiveService(store)),
        health,
        metrics,
        logger,
      });
      logger.info("listening", { url: server.url });
      await waitForStore(parts.prepare ?? noTables, { clock, random: Math.random, logger }, signal);
      writer.start(exchange, `${namespace}.archive`);
      health.started = true;
    },
    drain() {
      health.draining = true;
      stopping.abort(new Error("the archiver drains"));
      closing ??= (async () => {
        await writer.stop();
        await server?.drain();
        database?.close();
        await transport.close();
        await metrics.close();
        await parts.dispose?.();
      })();
      return closing;
    },
  };
}

/** A store in memory needs none. */
const noTables = (): Promise<void> => Promise.resolve();

/** An archiver on RabbitMQ and PostgreSQL, as its configuration says. */
export function openArchiver(config: ArchiverConfig, logger: Logger): Archiver {
  const { amqpUrl, databaseUrl, listen, namespace, exchange } = config;
  logger.info("configuration", describeConfig(config));
  const database = openDatabase<unknown>({
    url: databaseUrl,
    schema: schemaName(namespace, "archive"),
    applicationName: "warren archiver",
    logger,
  });
  return createArchiver({
    transport: createAmqpTransport({ url: amqpUrl, connectionName: "warren archiver", logger }),
    store: createPostgresArchiveStore(database),
    listen,
    namespace,
    exchange,
    logger,
    prepare: () => migrateArchive(database),
    checkStore: () => database.ping(),
    dispose: () => database.close(),
  });
}
