import { createArchiver, type Archiver } from "@warren/archiver";
import { createBroker, createPastProbe, type Broker } from "@warren/broker";
import { createPostgresEventLog, migrateEventLog } from "@warren/event-store";
import { createPostgresArchiveStore, migrateArchive } from "@warren/event-store/archive";
import { openDatabase, schemaName } from "@warren/postgres";
import type { Logger } from "@warren/protocol";
import { createPostgresStateStore, migrateStateStore } from "@warren/state-store";
import { startPostgres } from "@warren/test-servers";
import { createMemoryTransport, MemoryBroker } from "@warren/transport/memory";

/** The whole system in one process, on embedded parts: PostgreSQL from npm, RabbitMQ's twin in memory. */
export interface DevSystem {
  readonly brokerUrl: string;
  readonly archiverUrl: string;
  readonly exchange: string;
  /** Where a publisher in this process meets broker and archiver. */
  readonly messages: MemoryBroker;
  readonly archiver: Archiver;
  /** Drops the broker as a crash would, and starts another one in its place. */
  restartBroker(): Promise<void>;
  stop(): Promise<void>;
}

/** Options of the embedded system. Port 0: one that is free. */
export interface DevOptions {
  readonly brokerPort: number;
  readonly archiverPort: number;
  /** Keeps PostgreSQL's data. Without it the data is removed at the end. */
  readonly folder?: string | undefined;
  readonly logger: Logger;
  readonly say: (line: string) => void;
}

/** Starts PostgreSQL, archiver and broker. */
export async function startDevSystem({ brokerPort, archiverPort, folder, logger, say }: DevOptions): Promise<DevSystem> {
  say("starting PostgreSQL (embedded)");
  const postgres = await startPostgres(folder === undefined ? {} : { folder });
  const namespace = "warren";
  const exchange = `${namespace}.events`;
  const messages = new MemoryBroker();
  const signal = new AbortController().signal;

  say("starting the archiver");
  const archive = openDatabase<unknown>({
    url: postgres.archiverUrl,
    schema: schemaName(namespace, "archive"),
    applicationName: "warren archiver",
    logger,
  });
  const archiver = createArchiver({
    transport: createMemoryTransport({ broker: messages }),
    store: createPostgresArchiveStore(archive),
    listen: { host: "127.0.0.1", port: archiverPort },
    namespace,
    exchange: { name: exchange, mode: "declare" },
    logger: logger.child({ app: "archiver" }),
    prepare: () => migrateArchive(archive),
    dispose: () => archive.close(),
  });
  await archiver.start(signal);

  let port = brokerPort;
  async function startBroker(): Promise<Broker> {
    const database = openDatabase<unknown>({
      url: postgres.url,
      schema: schemaName(namespace, "broker"),
      applicationName: "warren broker",
      logger,
    });
    const broker = createBroker({
      transport: createMemoryTransport({ broker: messages }),
      log: createPostgresEventLog(database),
      state: createPostgresStateStore(database),
      past: createPastProbe(archiver.url),
      listen: { host: "127.0.0.1", port },
      namespace,
      exchange,
      logger: logger.child({ app: "broker" }),
      prepare: async () => {
        await migrateEventLog(database);
        await migrateStateStore(database);
      },
      dispose: () => database.close(),
    });
    await broker.start(signal);
    port = Number(new URL(broker.url).port);
    return broker;
  }

  say("starting the broker");
  let broker = await startBroker();
  return {
    brokerUrl: broker.url,
    archiverUrl: archiver.url,
    exchange,
    messages,
    archiver,
    async restartBroker() {
      await broker.drop();
      broker = await startBroker();
    },
    async stop() {
      await broker.drain();
      await archiver.drain();
      await postgres.stop();
    },
  };
}
