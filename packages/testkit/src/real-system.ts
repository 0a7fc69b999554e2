import { spawn, type ChildProcess } from "node:child_process";
import { ensureRabbitMq, freePorts, startPostgres, startRabbitMq } from "@warren/test-servers";
import { createAmqpTransport } from "@warren/transport/amqp";

/** Broker and archiver as processes, on real servers. */
export interface RealSystem {
  readonly brokerUrl: string;
  readonly archiverUrl: string;
  readonly amqpUrl: string;
  readonly exchange: string;
  /** Process id of the broker that runs now. */
  readonly brokerPid: number;
  /** Resolves with the signal when the broker that runs now ends. */
  readonly brokerEnded: Promise<NodeJS.Signals | null>;
  /** SIGKILL, if it runs, and start again. `env`: more of its environment, this time. */
  restartBroker(env?: NodeJS.ProcessEnv): Promise<void>;
  /** SIGKILL, if it runs, and start again. */
  restartArchiver(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts private servers (or uses those named by the environment), then archiver and broker. `main`: file of the built command `warren`. Throws when an app ends
 * while it starts. With `archive: false` there is no archiver and no past: the exchange is made here, and events are stored once.
 */
export async function startRealSystem(
  main: string,
  say: (line: string) => void,
  { archive = true }: { readonly archive?: boolean } = {},
): Promise<RealSystem> {
  const [amqpGiven, databaseGiven] = [process.env["WARREN_AMQP_URL"], process.env["WARREN_DATABASE_URL"]];
  if (amqpGiven === undefined) ensureRabbitMq(say);
  say(
    `RabbitMQ: ${amqpGiven === undefined ? "starting a private one" : "WARREN_AMQP_URL"}; PostgreSQL: ${databaseGiven === undefined ? "starting a private one" : "WARREN_DATABASE_URL"}`,
  );
  const [rabbitmq, postgres, [brokerPort, archiverPort]] = await Promise.all([
    amqpGiven === undefined ? startRabbitMq() : undefined,
    databaseGiven === undefined ? startPostgres() : undefined,
    freePorts(2),
  ]);
  const amqpUrl = amqpGiven ?? rabbitmq?.url ?? "";
  const namespace = `real${Date.now().toString(36)}`;
  const [brokerUrl, archiverUrl] = [`http://127.0.0.1:${brokerPort}`, `http://127.0.0.1:${archiverPort}`];
  const base = { ...process.env, WARREN_AMQP_URL: amqpUrl, WARREN_NAMESPACE: namespace, WARREN_LOG_LEVEL: "warn" };

  async function startApp(app: "broker" | "archiver", more: NodeJS.ProcessEnv = {}): Promise<ChildProcess> {
    const url = app === "broker" ? brokerUrl : archiverUrl;
    const databaseUrl = databaseGiven ?? (app === "broker" ? postgres?.url : postgres?.archiverUrl);
    const env = {
      ...base,
      WARREN_DATABASE_URL: databaseUrl,
      WARREN_LISTEN: new URL(url).host,
      ...(app === "broker" && archive ? { WARREN_ARCHIVE_URL: archiverUrl } : {}),
      ...more,
    };
    const child = spawn(process.execPath, [main, "serve", app], { env, stdio: ["ignore", "ignore", "inherit"] });
    // Whoever started it may end without having stopped it.
    const kill = (): void => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("exit", () => process.off("exit", kill));
    // Not "ready": a broker waits for the exchange, a new archiver makes it.
    while (!(await answers(`${url}/startupz`))) {
      if (child.exitCode !== null) throw new Error(`${app} ended with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return child;
  }

  say(`starting ${archive ? "archiver and " : ""}broker as processes`);
  let archiver: ChildProcess | undefined;
  if (archive) {
    archiver = await startApp("archiver");
    while (!(await answers(`${archiverUrl}/readyz`))) await new Promise((resolve) => setTimeout(resolve, 50));
  } else {
    await makeExchange(amqpUrl, `${namespace}.events`);
  }
  let broker = await startApp("broker");
  return {
    brokerUrl,
    archiverUrl,
    amqpUrl,
    exchange: `${namespace}.events`,
    get brokerPid() {
      return broker.pid ?? 0;
    },
    get brokerEnded() {
      const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>();
      broker.once("exit", (_, signal) => resolve(signal));
      if (broker.exitCode !== null || broker.signalCode !== null) resolve(broker.signalCode);
      return promise;
    },
    async restartBroker(env) {
      await end(broker, "SIGKILL");
      broker = await startApp("broker", env);
    },
    async restartArchiver() {
      if (archiver !== undefined) await end(archiver, "SIGKILL");
      archiver = await startApp("archiver");
    },
    async stop() {
      await Promise.all([end(broker, "SIGTERM"), archiver && end(archiver, "SIGTERM")]);
      await Promise.all([rabbitmq?.stop(), postgres?.stop()]);
    },
  };
}

/** As an archiver makes it. */
async function makeExchange(amqpUrl: string, exchange: string): Promise<void> {
  const transport = createAmqpTransport({ url: amqpUrl, connectionName: "warren testkit" });
  await transport.ensureExchange({ name: exchange, mode: "declare" });
  await transport.close();
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.kill(signal);
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
