import { migrateEventLog, createPostgresEventLog, type EventLog } from "@warren/event-store";
import { openDatabase, schemaName } from "@warren/postgres";
import { backoffDelay, isWarrenError, systemClock, type Clock, type IdSource, type Logger } from "@warren/protocol";
import { AdminService, PublishService, SubscriptionService } from "@warren/protocol/v1";
import { ReceiverManager, type PastProbe } from "@warren/receiver-core";
import { createMetrics, HealthRegistry, startServer, type ListenAddress, type RunningServer } from "@warren/service";
import { createPostgresStateStore, migrateStateStore, OffsetWriter, type StateStore } from "@warren/state-store";
import type { Transport } from "@warren/transport";
import { createAmqpTransport } from "@warren/transport/amqp";
import { uuidv7 } from "uuidv7";
import { adminService } from "./admin-service.ts";
import type { BrokerConfig } from "./config.ts";
import { followHttp } from "./follow-http.ts";
import { describeMetrics } from "./metrics.ts";
import { createPastProbe } from "./past-probe.ts";
import { publishService } from "./publish-service.ts";
import { subscriptionService } from "./subscription-service.ts";

/** The parts of a broker. */
export interface BrokerParts {
  readonly transport: Transport;
  readonly log: EventLog;
  readonly state: StateStore;
  readonly past: PastProbe;
  readonly listen: ListenAddress;
  readonly namespace: string;
  readonly exchange: string;
  readonly logger: Logger;
  /** Makes the tables, before state is loaded; tried again while the database is away. */
  readonly prepare?: (() => Promise<void>) | undefined;
  /** Closes what was opened for this broker alone. */
  readonly dispose?: (() => Promise<void>) | undefined;
  readonly clock?: Clock | undefined;
}

/** A broker. */
export interface Broker {
  /** Where it listens; known once `start` resolved. */
  readonly url: string;
  /** Listens at once; resolves when state is restored and it serves. Throws ADDRESS_IN_USE, CONFIG_INVALID; waits for servers that are away. */
  start(signal: AbortSignal): Promise<void>;
  /** Tells subscribers, saves offsets, closes. Twice is fine. */
  drain(): Promise<void>;
  /** Stops at once, as a crash would: nothing is saved. */
  drop(): Promise<void>;
}

/** Puts a broker together from its parts. */
export function createBroker(parts: BrokerParts): Broker {
  const { transport, log, state, past, listen, namespace, exchange, logger, clock = systemClock } = parts;
  const ids: IdSource = { uuid: uuidv7 };
  const random = Math.random;
  const offsets = new OffsetWriter({ store: state, clock, logger, random });
  const manager = new ReceiverManager({ transport, log, state, offsets, past, clock, ids, random, logger }, { namespace, exchange });
  const publisher = transport.createPublisher({ exchange });
  const health = new HealthRegistry();
  const metrics = createMetrics();
  let server: RunningServer | undefined;
  describeMetrics(metrics, manager);
  health.add({ name: "rabbitmq", problem: () => (transport.status.kind === "connected" ? undefined : describeStatus(transport)) });
  health.add({
    name: "receivers",
    problem: () => manager.receivers().find(({ waitingFor }) => waitingFor !== undefined)?.waitingFor?.message,
  });

  async function prepare(signal: AbortSignal): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await parts.prepare?.();
        return;
      } catch (error) {
        signal.throwIfAborted();
        if (!isWarrenError(error, "STORE_UNAVAILABLE")) throw error;
        logger.warn("waiting for the database", { error: error.message });
        await new Promise<void>((resolve) => clock.after(backoffDelay(attempt, random), resolve));
      }
    }
  }

  return {
    get url() {
      return server?.url ?? "";
    },
    async start(signal) {
      server = await startServer({
        listen,
        services: [SubscriptionService, PublishService, AdminService],
        routes(router) {
          router.service(SubscriptionService, subscriptionService({ subscriptions: manager, exchange, clock, logger }));
          router.service(PublishService, publishService({ publisher, exchange, ids }));
          router.service(AdminService, adminService(manager));
        },
        fallback: followHttp({ subscriptions: manager, exchange, clock, logger }),
        health,
        metrics,
        logger,
      });
      logger.info("listening", { url: server.url });
      await prepare(signal);
      await manager.start({ signal });
      // Readiness wants a connection, also while no receiver needs one.
      transport.ensureExchange({ name: exchange, mode: "passive" }).catch((error: unknown) => {
        logger.warn("waiting for the exchange", { error: error instanceof Error ? error.message : String(error) });
      });
      health.started = true;
      logger.info("serving", { url: server.url, exchange });
    },
    async drain() {
      health.draining = true;
      await manager.drain();
      await publisher.close();
      await server?.drain();
      await transport.close();
      await metrics.close();
      await parts.dispose?.();
    },
    async drop() {
      manager.drop();
      await server?.close();
      await transport.close();
      await metrics.close();
      await parts.dispose?.();
    },
  };
}

/** A broker on RabbitMQ and PostgreSQL, as its configuration says. */
export function openBroker(config: BrokerConfig, logger: Logger): Broker {
  const { amqpUrl, databaseUrl, listen, namespace, exchange, archiveUrl } = config;
  const database = openDatabase<unknown>({
    url: databaseUrl,
    schema: schemaName(namespace, "broker"),
    applicationName: "warren broker",
    logger,
  });
  return createBroker({
    transport: createAmqpTransport({ url: amqpUrl, connectionName: "warren broker", logger }),
    log: createPostgresEventLog(database),
    state: createPostgresStateStore(database),
    past: createPastProbe(archiveUrl),
    listen,
    namespace,
    exchange,
    logger,
    prepare: async () => {
      await migrateEventLog(database);
      await migrateStateStore(database);
    },
    dispose: () => database.close(),
  });
}

function describeStatus(transport: Transport): string {
  const { status } = transport;
  if (status.kind === "blocked") return `RabbitMQ blocks publishing: ${status.reason}`;
  return status.kind === "connecting" && status.error !== undefined ? status.error.message : `RabbitMQ is ${status.kind}`;
}
