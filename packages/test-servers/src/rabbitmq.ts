import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "./free-ports.ts";
import { dockerCommand } from "./docker.ts";
import { guardFolder, startGuarded, type GuardedProcess } from "./guarded-process.ts";
import { pidIn, signal, type PrivateServer, type ServerFaults } from "./server-faults.ts";

/** A private RabbitMQ. */
export interface PrivateRabbitMq extends PrivateServer {
  /** Undefined in a container. */
  readonly faults: RabbitMqFaults | undefined;
}

/** What can be done to a RabbitMQ of our own. */
export interface RabbitMqFaults extends ServerFaults {
  /** Raises the memory alarm, or ends it. */
  memoryAlarm(on: boolean): Promise<void>;
  /** Runs a command of RabbitMQ's control program; resolves with what it printed. Throws with that when it fails, or takes more than 30 s. */
  control(args: readonly string[]): Promise<string>;
}

/** How to start one. */
export interface RabbitMqOptions {
  readonly timeoutMs?: number;
  /** Plugins to be enabled, for example "rabbitmq_stream". */
  readonly plugins?: readonly string[];
  /** More lines of its configuration. */
  readonly config?: readonly string[];
}

/** Where Debian's package has it; the wrapper in /usr/sbin would change the user. */
const rabbitmqBinary = "/usr/lib/rabbitmq/bin/rabbitmq-server";
const rabbitmqControl = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/** Whether RabbitMQ is installed. */
export function rabbitmqInstalled(): boolean {
  return existsSync(rabbitmqBinary);
}

/**
 * Starts a private RabbitMQ on free ports, with a folder and an Erlang port mapper of its own. Needs Debian's package `rabbitmq-server` (any user will do),
 * else Docker. Several may run at once. Takes about 12 seconds; throws when it is not up after `timeoutMs`. `plugins` and lines of `config` of the caller's need the
 * package.
 */
export async function startRabbitMq(options: RabbitMqOptions = {}): Promise<PrivateRabbitMq> {
  const { timeoutMs = 90_000 } = options;
  const folder = await mkdtemp(join(tmpdir(), "warren-rabbitmq-"));
  const [port = 0, dist = 0, epmd = 0] = await freePorts(3);
  const url = `amqp://guest:guest@127.0.0.1:${port}`;
  if (!rabbitmqInstalled()) {
    const { command, cleanUp } = dockerCommand(`warren-rabbitmq-${port}`, port);
    const server = startGuarded(command, { env: process.env, folder, cleanUp });
    await answers(server, port, timeoutMs);
    return { url, faults: undefined, stop: () => server.stop() };
  }
  const guardFile = join(folder, "guard");
  const env = await prepare(folder, { port, dist, epmd }, options);
  const start = (): GuardedProcess => startGuarded([rabbitmqBinary], { env, guardFile });
  // Whatever the port mapper holds is gone with it.
  const guard = guardFolder(folder, { guardFile, cleanUp: `epmd -port ${epmd} -kill >/dev/null 2>&1` });
  let server = start();
  const stop = async (): Promise<void> => {
    await server.stop();
    await guard.stop();
  };
  await answers(server, port, timeoutMs).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const pidFile = join(folder, "pid");
  return {
    url,
    stop,
    faults: {
      async kill() {
        signal(await pidIn(pidFile), "SIGKILL");
        await server.ended;
        await rm(pidFile, { force: true });
      },
      async restart() {
        server = start();
        await answers(server, port, timeoutMs);
      },
      async pause() {
        signal(await pidIn(pidFile), "SIGSTOP");
      },
      async resume() {
        signal(await pidIn(pidFile), "SIGCONT");
      },
      async memoryAlarm(on) {
        await control(env, ["set_vm_memory_high_watermark", ...(on ? ["absolute", "1MB"] : ["0.9"])]);
      },
      control: (args) => control(env, args),
    },
  };
}

/** Resolves when the server speaks AMQP; throws with what it printed when it ended, or does not speak in time. */
async function answers(server: GuardedProcess, port: number, timeoutMs: number): Promise<void> {
  let gone = false;
  void server.ended.then(() => (gone = true));
  const end = performance.now() + timeoutMs;
  while (!(await speaksAmqp(port))) {
    if (gone || performance.now() > end) throw new Error(`RabbitMQ did not start: ${server.output().slice(-2_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/**
 * Before quorum queues begin a new write-ahead log file. With RabbitMQ's default of 512 MiB each change of the file costs seconds of CPU at once: an event needed 3.5 to 4.5 us of
 * RabbitMQ in place of 1.7 to 2.5 (docs/performance.md). See https://www.rabbitmq.com/docs/persistence-conf.
 */
const walBytes = 128_000_000;

/** Writes the configuration of a node of its own. Returns its environment. */
async function prepare(
  folder: string,
  { port, dist, epmd }: { readonly port: number; readonly dist: number; readonly epmd: number },
  { plugins = [], config = [] }: RabbitMqOptions,
): Promise<NodeJS.ProcessEnv> {
  const lines = [`listeners.tcp.1 = 127.0.0.1:${port}`, "log.file.level = warning", `raft.wal_max_size_bytes = ${walBytes}`, ...config];
  await writeFile(join(folder, "rabbitmq.conf"), `${lines.join("\n")}\n`);
  await writeFile(join(folder, "enabled_plugins"), `[${plugins.join(",")}].\n`);
  return {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    HOME: folder,
    // The script becomes the server, instead of waiting for it: signals reach the server itself.
    RUNNING_UNDER_SYSTEMD: "1",
    RABBITMQ_NODENAME: `warren-${randomBytes(4).toString("hex")}@localhost`,
    RABBITMQ_DIST_PORT: String(dist),
    RABBITMQ_MNESIA_BASE: join(folder, "mnesia"),
    RABBITMQ_LOG_BASE: join(folder, "log"),
    RABBITMQ_CONFIG_FILE: join(folder, "rabbitmq.conf"),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(folder, "enabled_plugins"),
    RABBITMQ_PID_FILE: join(folder, "pid"),
    RABBITMQ_CONF_ENV_FILE: "/dev/null",
    ERL_EPMD_PORT: String(epmd),
    ERL_EPMD_ADDRESS: "127.0.0.1",
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
    RABBITMQ_CTL_ERL_ARGS: "-kernel inet_dist_use_interface {127,0,0,1}",
  };
}

/** Runs a command of the control program on the node with that environment. Throws with what it printed when it fails. */
async function control(env: NodeJS.ProcessEnv, args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(rabbitmqControl, [...args], { env, timeout: 30_000 });
  return stdout;
}

/** A port that accepts is not yet a broker that answers: the first frame of AMQP is. */
function speaksAmqp(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const done = (answer: boolean): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => done(false));
    socket.on("error", () => done(false));
    socket.on("close", () => resolve(false));
    socket.on("connect", () => socket.write("AMQP\0\0\x09\x01"));
    socket.on("data", (data) => done(data[0] === 1));
  });
}
