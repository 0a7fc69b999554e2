import { openDatabase, schemaName } from "@warren/postgres";
import { silentLogger, type Logger } from "@warren/protocol";
import { testNamespace } from "@warren/test-servers";
import { createAmqpTransport } from "@warren/transport/amqp";
import { sql } from "kysely";
import { inject } from "vitest";
import { openBroker, type Broker } from "../composition-root.ts";

/** A deployment of its own on the tests' servers: namespace, exchange, archive queue, and brokers that come and go. */
export interface Deployment {
  readonly namespace: string;
  readonly exchange: string;
  /** Starts a broker. */
  start(options?: {
    readonly listen?: number;
    readonly archiveUrl?: string;
    readonly databaseUrl?: string;
    readonly logger?: Logger;
    readonly retireAfterMs?: number;
  }): Promise<Broker>;
  /** Stops all brokers and removes everything. */
  close(): Promise<void>;
}

/** How a deployment differs from the usual. */
export interface DeployOptions {
  /** An exchange that exists; without it one is made, with a queue that takes everything, as the archiver would. */
  readonly exchange?: string;
  readonly makeExchange?: boolean;
  /** Default: the tests' servers. */
  readonly amqpUrl?: string;
  readonly databaseUrl?: string;
  readonly upkeepMs?: number;
}

/** Makes a deployment. */
export async function deploy(options: DeployOptions = {}): Promise<Deployment> {
  const namespace = testNamespace();
  const { amqpUrl = inject("amqpUrl"), databaseUrl = inject("databaseUrl") } = options;
  const exchange = options.exchange ?? `${namespace}.events`;
  const transport = createAmqpTransport({ url: amqpUrl });
  if (options.makeExchange !== false) {
    await transport.ensureExchange({ name: exchange, mode: "declare" });
    await transport.ensureQueue({
      exchange: { name: exchange, mode: "passive" },
      queue: { name: `${namespace}.archive`, patterns: ["#"], singleActiveConsumer: true },
    });
  }
  const brokers: Broker[] = [];
  return {
    namespace,
    exchange,
    async start({ listen = 0, archiveUrl, databaseUrl: itsDatabase = databaseUrl, logger = silentLogger, retireAfterMs = 0 } = {}) {
      const broker = openBroker(
        {
          amqpUrl,
          databaseUrl: itsDatabase,
          listen: { host: "127.0.0.1", port: listen },
          namespace,
          exchange,
          archiveUrl,
          retireAfterMs,
          logLevel: "silent",
        },
        logger,
        { upkeepMs: options.upkeepMs },
      );
      brokers.push(broker);
      await broker.start(new AbortController().signal);
      return broker;
    },
    async close() {
      await Promise.all(brokers.map((broker) => broker.drain()));
      await transport.close();
      const schema = schemaName(namespace, "broker");
      const database = openDatabase<unknown>({ url: databaseUrl, schema, applicationName: "test", logger: silentLogger });
      await sql`drop schema if exists ${sql.id(schema)} cascade`.execute(database.db);
      await database.close();
    },
  };
}
