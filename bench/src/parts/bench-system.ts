import { spawn, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ensureRabbitMq, freePorts, startPostgres, startRabbitMq } from "@warren/test-servers";
import { pidOnPort } from "./processes.ts";

/** The whole system as processes, each of which can be looked at: RabbitMQ, PostgreSQL, an archiver, and any number of brokers on the same tables. */
export interface BenchSystem {
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly exchange: string;
  readonly namespace: string;
  readonly archiverUrl: string;
  readonly brokerUrls: readonly string[];
  /** Process ids, by what they are: rabbitmq, postgres, archiver, and of the brokers that run. */
  pids(): { readonly rabbitmq: number; readonly postgres: number; readonly archiver: number; readonly brokers: readonly number[] };
  /** Ends a broker, and resolves when it is gone. */
  stopBroker(index: number): Promise<void>;
  /** Starts it again where it was. Resolves when its state is restored. */
  startBroker(index: number): Promise<void>;
  stop(): Promise<void>;
}

/** How the system is to be. */
export interface BenchSystemOptions {
  readonly say: (line: string) => void;
  /** Default 1. */
  readonly brokers?: number;
  /** Default true. Without one the exchange must be made by somebody else. */
  readonly archiver?: boolean;
  readonly postgresFlags?: readonly string[];
  /** More of the brokers' environment. */
  readonly brokerEnv?: NodeJS.ProcessEnv;
}

const program = fileURLToPath(new URL("../../../apps/cli/dist/main.js", import.meta.url));

/** Starts everything on free ports. With `WARREN_BENCH_PROFILE` each app writes a CPU profile to that folder when it ends. */
export async function startBenchSystem(options: BenchSystemOptions): Promise<BenchSystem> {
  const { say, brokers = 1, postgresFlags = [], brokerEnv } = options;
  ensureRabbitMq(say);
  const [rabbitmq, postgres, ports] = await Promise.all([startRabbitMq(), startPostgres({ postgresFlags }), freePorts(brokers + 1)]);
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const [archiverUrl = "", ...brokerUrls] = urls;
  const namespace = `bench${Date.now().toString(36)}`;
  const folder = process.env["WARREN_BENCH_PROFILE"];
  const base = {
    ...process.env,
    WARREN_AMQP_URL: rabbitmq.url,
    WARREN_NAMESPACE: namespace,
    WARREN_LOG_LEVEL: "warn",
    ...(folder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${folder}` }),
  };

  async function start(app: "broker" | "archiver", url: string): Promise<ChildProcess> {
    const env = {
      ...base,
      WARREN_LISTEN: new URL(url).host,
      WARREN_DATABASE_URL: app === "broker" ? postgres.url : postgres.archiverUrl,
      ...(app === "broker" ? { WARREN_ARCHIVE_URL: archiverUrl, ...brokerEnv } : {}),
    };
    const child = spawn(process.execPath, [program, "serve", app], { env, stdio: ["ignore", "ignore", "inherit"] });
    endWithUs(child);
    while (!(await answers(`${url}/readyz`))) {
      if (child.exitCode !== null) throw new Error(`${app} ended with ${child.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return child;
  }

  const archiver = await start("archiver", archiverUrl);
  const running = new Map<number, ChildProcess>();
  for (const [index, url] of brokerUrls.entries()) running.set(index, await start("broker", url));
  const stopBroker = async (index: number): Promise<void> => {
    const child = running.get(index);
    running.delete(index);
    if (child !== undefined) await end(child);
  };
  const pids = {
    rabbitmq: pidOnPort(Number(new URL(rabbitmq.url).port)),
    postgres: pidOnPort(Number(new URL(postgres.url).port)),
    archiver: archiver.pid ?? 0,
  };
  return {
    amqpUrl: rabbitmq.url,
    databaseUrl: postgres.url,
    exchange: `${namespace}.events`,
    namespace,
    archiverUrl,
    brokerUrls,
    pids: () => ({ ...pids, brokers: [...running.values()].map(({ pid = 0 }) => pid) }),
    stopBroker,
    async startBroker(index) {
      running.set(index, await start("broker", brokerUrls[index] ?? ""));
    },
    async stop() {
      await Promise.all([end(archiver), ...[...running.keys()].map(stopBroker)]);
      await Promise.all([rabbitmq.stop(), postgres.stop()]);
    },
  };
}

/** A bench that is interrupted leaves nothing running. */
function endWithUs(child: ChildProcess): void {
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  child.once("exit", () => process.off("exit", kill));
}

function end(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    child.kill("SIGTERM");
  });
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}
