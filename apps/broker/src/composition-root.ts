import { migrateEventLog, createPostgresEventLog, type EventLog } from "@warren/event-store";
import { openDatabase, schemaName } from "@warren/postgres";
import { systemClock, Times, UuidSource, type Clock, type IdSource, type Logger } from "@warren/protocol";
import { AdminService, PublishService, SubscriptionService } from "@warren/protocol/v1";
import { ReceiverManager, type PastProbe } from "@warren/receiver-core";
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
import { createPostgresStateStore, migrateStateStore, OffsetWriter, type StateStore } from "@warren/state-store";
import type { Transport } from "@warren/transport";
import { createAmqpTransport } from "@warren/transport/amqp";
import { adminService } from "./admin-service.ts";
import type { BrokerConfig } from "./config.ts";
import { followHttp } from "./follow-http.ts";
import { describeMetrics } from "./metrics.ts";
import { createPastProbe } from "./past-probe.ts";
import { publishService } from "./publish-service.ts";
import { subscriptionService } from "./subscription-service.ts";
import { waitForExchange } from "./wait-for-exchange.ts";

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
  /** Throws while the database does not answer; asked from time to time, for readiness. */
  readonly checkStore?: (() => Promise<void>) | undefined;
  /** Closes what was opened for this broker alone. */
  readonly dispose?: (() => Promise<void>) | undefined;
  readonly clock?: Clock | undefined;
  /** Bytes delivered and not stored, over all receivers. Default 256 MiB. */
  readonly unstoredBytes?: number | undefined;
  /** A receiver without consumers is removed after so many milliseconds. Default and 0: never. */
  readonly retireAfterMs?: number | undefined;
  /** How often retention, expiry and retirement are looked at, in milliseconds. Default 10 000. */
  readonly upkeepMs?: number | undefined;
}

/** A broker. */
export interface Broker {
  /** Where it listens; known once `start` resolved. */
  readonly url: string;
  /** Listens at once; resolves when state is restored and it serves. Throws ADDRESS_IN_USE, CONFIG_INVALID; waits for servers that are away. */
  start(signal: AbortSignal): Promise<void>;
  /** Tells subscribers, saves offsets, closes; offsets that cannot be saved within 10 s are given up: their events come again. Twice is fine. */
  drain(): Promise<void>;
  /** Stops at once, as a crash would: nothing is saved. After `drain`: waits for its end. */
  drop(): Promise<void>;
}

/** Puts a broker together from its parts. */
export function createBroker(parts: BrokerParts): Broker {
  const {
    transport,
    log,
    state,
    past,
    listen,
    namespace,
    exchange,
    logger,
    clock = systemClock,
    unstoredBytes,
    retireAfterMs,
    upkeepMs,
  } = parts;
  const uuids = new UuidSource();
  const ids: IdSource = { uuid: () => uuids.next(clock.wallMs()) };
  const random = Math.random;
  const offsets = new OffsetWriter({ store: state, clock, logger, random });
  const defer = (run: () => void): void => void setImmediate(run);
  const core = { transport, log, state, offsets, past, clock, defer, ids, random, logger };
  const manager = new ReceiverManager(core, { namespace, exchange, unstoredBytes, retireAfterMs, upkeepMs });
  const publisher = transport.createPublisher({ exchange });
  const health = new HealthRegistry();
  const metrics = createMetrics();
  const stopping = new AbortController();
  const store = parts.checkStore === undefined ? undefined : pollHealth("database", parts.checkStore, clock);
  let server: RunningServer | undefined;
  let closing: Promise<void> | undefined;
  describeMetrics(metrics, manager, transport);
  health.add({ name: "rabbitmq", problem: () => (transport.status.kind === "connected" ? undefined : describeStatus(transport)) });
  if (store !== undefined) health.add(store);
  health.add({
    name: "receivers",
    problem: () => manager.receivers().find(({ waitingFor }) => waitingFor !== undefined)?.waitingFor?.message,
  });

  /** What must be told and saved first; within the deadline, so that a database that is away does not hold us. */
  async function settle(): Promise<void> {
    const timer = clock.after(Times.drainMs, () => {
      logger.warn("drain takes too long; what is not saved is given up");
      manager.drop();
      void publisher.close();
    });
    await Promise.all([manager.drain(), publisher.drain()]);
    timer.cancel();
  }

  async function close(): Promise<void> {
    store?.close();
    await transport.close();
    await metrics.close();
    await parts.dispose?.();
  }

  return {
    get url() {
      return server?.url ?? "";
    },
    async start(outer) {
      const signal = AbortSignal.any([outer, stopping.signal]);
      server = await startServer({
        listen,
        services: [SubscriptionService, PublishService, AdminService],
        routes(router) {
          router.service(SubscriptionService, subscriptionService({ subscriptions: manager, exchange, clock, logger }));
          router.service(PublishService, publishService({ publisher, exchange, ids }));
          router.service(AdminService, adminService(manager, clock));
        },
        fallback: followHttp({ subscriptions: manager, exchange, clock, logger }),
        health,
        metrics,
        logger,
      });
      logger.info("listening", { url: server.url });
      // Readiness wants a connection, also while no receiver needs one.
      health.add(waitForExchange(exchange, { transport, clock, random, logger }, signal));
      await waitForStore(parts.prepare ?? noTables, { clock, random, logger }, signal);
      await manager.start({ signal });
      health.started = true;
      logger.info("serving", { url: server.url, exchange });
    },
    drain() {
      health.draining = true;
      stopping.abort(new Error("the broker drains"));
      closing ??= (async () => {
        await settle();
        await server?.drain(drainServerMs);
        await close();
      })();
      return closing;
    },
    drop() {
      stopping.abort(new Error("the broker was dropped"));
      closing ??= (async () => {
        manager.drop();
        await server?.close();
        await close();
      })();
      return closing;
    },
  };
}

/** A store in memory needs none. */
const noTables = (): Promise<void> => Promise.resolve();
/** After subscribers were told and outcomes are known, streams end by themselves, or not at all. */
const drainServerMs = 1_000;

/** A broker on RabbitMQ and PostgreSQL, as its configuration says. `more`: what no deployment needs to say. */
export function openBroker(config: BrokerConfig, logger: Logger, more: Pick<BrokerParts, "upkeepMs"> = {}): Broker {
  const { amqpUrl, databaseUrl, listen, namespace, exchange, archiveUrl, retireAfterMs } = config;
  logger.info("configuration", describeConfig(config));
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
    checkStore: () => database.ping(),
    dispose: () => database.close(),
    retireAfterMs,
    ...more,
  });
}

function describeStatus(transport: Transport): string {
  const { status } = transport;
  if (status.kind === "blocked") return `RabbitMQ blocks publishing: ${status.reason}`;
  return status.kind === "connecting" && status.error !== undefined ? status.error.message : `RabbitMQ is ${status.kind}`;
}
