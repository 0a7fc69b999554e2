import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openDatabase, type Database } from "@warren/postgres";
import { silentLogger } from "@warren/protocol";
import {
  ensureRabbitMq,
  freePorts,
  startPostgres,
  startRabbitMq,
  type PrivatePostgres,
  type PrivateRabbitMq,
  type RabbitMqFaults,
} from "@warren/test-servers";
import { openLinks, type Links } from "./links.ts";
import { openJournal, type Journal } from "./journal.ts";
import { Supervised, type UnexpectedExit } from "./supervised.ts";

/** The two brokers. */
export type BrokerName = "a" | "b";

/** A deployment as processes, each connection through a proxy: two brokers, an archiver, RabbitMQ and PostgreSQL of their own. */
export interface ChaosSystem {
  readonly folder: string;
  readonly namespace: string;
  readonly exchange: string;
  /** As they are reached by the operator and the judge: not through a proxy. */
  readonly amqpUrl: string;
  readonly database: Database<unknown>;
  readonly archive: Database<unknown>;
  readonly rabbitmq: RabbitMqFaults;
  readonly postgres: PrivatePostgres;
  readonly links: Links;
  readonly brokers: Readonly<Record<BrokerName, Supervised>>;
  readonly archiver: Supervised;
  /** Addresses of the brokers and the archiver, not through a proxy. */
  readonly urls: Readonly<Record<BrokerName | "archiver", string>>;
  /** Programs of the workload, by name. */
  readonly workers: Map<string, Supervised>;
  /** What the run itself does, for the history. */
  readonly journal: Journal;
  /** To be told of a process that ended by itself. */
  readonly unexpected: (exit: UnexpectedExit) => void;
  /** Whether all apps have started. A broker whose receivers the other one owns is up, and says that it is not ready. */
  up(): Promise<boolean>;
  /** SIGTERM to the apps, then the servers. */
  stop(): Promise<void>;
  /** SIGTERM to the apps: they must end with code 0. */
  drain(): Promise<void>;
}

/** How long an app may take to end after SIGTERM: its own deadline, and what it takes to start the next process on a busy machine. */
const drainMs = 15_000;

/** The command `warren`, as it is built. */
const command = fileURLToPath(new URL("../../../../apps/cli/dist/main.js", import.meta.url));

/** Starts all but the workload; resolves when the apps are up. `folder` must be new. Throws when RabbitMQ is not installed, and what the servers throw. */
export async function startChaosSystem(folder: string, say: (line: string) => void): Promise<ChaosSystem> {
  mkdirSync(folder, { recursive: true });
  const journal = openJournal(folder, "chaos");
  ensureRabbitMq(say);
  say("starting RabbitMQ and PostgreSQL");
  const [rabbitmq, postgres, [portA, portB, portArchiver]] = await Promise.all([startRabbitMq(), startPostgres(), freePorts(3)]);
  const { faults } = rabbitmq;
  if (faults === undefined) {
    await Promise.all([rabbitmq.stop(), postgres.stop()]);
    throw new Error("chaos needs the package rabbitmq-server: a container cannot be killed and paused");
  }
  const namespace = "chaos";
  const urls = { a: `http://127.0.0.1:${portA}`, b: `http://127.0.0.1:${portB}`, archiver: `http://127.0.0.1:${portArchiver}` };
  const links = await openLinks({ amqp: rabbitmq.url, postgres: postgres.url, archiverPostgres: postgres.archiverUrl, brokers: urls });
  const unexpected = ({ name, code, signal }: UnexpectedExit): void => {
    const how = `code ${code}, signal ${signal}`;
    journal.record({ kind: "process-ended", process: name, expected: false, how });
    say(`UNEXPECTED: ${name} ended by itself: ${how}`);
  };
  const app = (name: string, role: "broker" | "archiver", env: NodeJS.ProcessEnv): Supervised => {
    const base = { ...process.env, WARREN_NAMESPACE: namespace, WARREN_LOG_LEVEL: "info", WARREN_RETIRE_AFTER: "off" };
    return new Supervised({ name, folder, file: command, args: () => ["serve", role], env: { ...base, ...env }, talks: false }, unexpected);
  };
  const broker = (name: BrokerName): Supervised =>
    app(`broker-${name}`, "broker", {
      WARREN_AMQP_URL: links.url(`${name}-amqp`),
      WARREN_DATABASE_URL: links.url(`${name}-postgres`),
      WARREN_ARCHIVE_URL: urls.archiver,
      WARREN_LISTEN: new URL(urls[name]).host,
    });
  const brokers = { a: broker("a"), b: broker("b") };
  const archiver = app("archiver", "archiver", {
    WARREN_AMQP_URL: links.url("archiver-amqp"),
    WARREN_DATABASE_URL: links.url("archiver-postgres"),
    WARREN_LISTEN: new URL(urls.archiver).host,
  });
  const judge = (url: string) => openDatabase<unknown>({ url, schema: "public", applicationName: "judge", logger: silentLogger });
  const system: ChaosSystem = {
    folder,
    namespace,
    exchange: `${namespace}.events`,
    amqpUrl: rabbitmq.url,
    database: judge(postgres.url),
    archive: judge(postgres.archiverUrl),
    rabbitmq: faults,
    postgres,
    links,
    brokers,
    archiver,
    urls,
    workers: new Map(),
    journal,
    unexpected,
    async up() {
      const answers = await Promise.all(Object.values(urls).map((url) => answers200(`${url}/startupz`)));
      return answers.every(Boolean);
    },
    async drain() {
      await Promise.all([brokers.a, brokers.b, archiver].map((each) => each.terminate(drainMs)));
    },
    async stop() {
      await Promise.all([brokers.a, brokers.b, archiver, ...system.workers.values()].map((each) => each.kill()));
      await Promise.all([system.database.close(), system.archive.close()]);
      await links.close();
      await stopServers(rabbitmq, postgres);
    },
  };
  try {
    say("starting the archiver and two brokers");
    for (const each of [archiver, brokers.a, brokers.b]) each.start();
    await until("the apps are up", 60_000, () => system.up());
  } catch (error) {
    await system.stop();
    throw error;
  }
  return system;
}

async function stopServers(rabbitmq: PrivateRabbitMq, postgres: PrivatePostgres): Promise<void> {
  await Promise.all([rabbitmq.stop(), postgres.stop()]);
}

/** Asks every 100 ms until `done` says so; throws `what` after `timeoutMs`. */
export async function until(what: string, timeoutMs: number, done: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!(await done())) {
    if (performance.now() > end) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function answers200(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
}
