import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./free-ports.ts";
import { dockerCommand } from "./docker.ts";
import { startGuarded, type GuardedProcess } from "./guarded-process.ts";

/** A private server: its address, and how to stop it. */
export interface PrivateServer {
  readonly url: string;
  stop(): Promise<void>;
}

/** Where Debian's package has it; the wrapper in /usr/sbin would change the user. */
const rabbitmqBinary = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/** Whether RabbitMQ is installed. */
export function rabbitmqInstalled(): boolean {
  return existsSync(rabbitmqBinary);
}

/**
 * Starts a private RabbitMQ on free ports, with a folder and an Erlang port mapper of its own. Needs Debian's package `rabbitmq-server` (any user will do),
 * else Docker. Several may run at once. Takes about 12 seconds; throws when it is not up after `timeoutMs`.
 */
export async function startRabbitMq({ timeoutMs = 90_000 }: { readonly timeoutMs?: number } = {}): Promise<PrivateServer> {
  const folder = await mkdtemp(join(tmpdir(), "warren-rabbitmq-"));
  const [port = 0, dist = 0, epmd = 0] = await freePorts(3);
  const server = rabbitmqInstalled() ? await startInstalled(folder, port, dist, epmd) : startContainer(folder, port);
  let gone = false;
  void server.ended.then(() => (gone = true));
  const until = performance.now() + timeoutMs;
  while (!(await speaksAmqp(port))) {
    if (gone || performance.now() > until) {
      await server.stop();
      throw new Error(`RabbitMQ did not start: ${server.output().slice(-2_000)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return { url: `amqp://guest:guest@127.0.0.1:${port}`, stop: () => server.stop() };
}

async function startInstalled(folder: string, port: number, dist: number, epmd: number): Promise<GuardedProcess> {
  await writeFile(join(folder, "rabbitmq.conf"), `listeners.tcp.1 = 127.0.0.1:${port}\nlog.file.level = warning\n`);
  await writeFile(join(folder, "enabled_plugins"), "[].\n");
  const env = {
    PATH: process.env["PATH"],
    LANG: "C.UTF-8",
    HOME: folder,
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
  };
  return startGuarded([rabbitmqBinary], { env, folder, cleanUp: `epmd -port ${epmd} -kill >/dev/null 2>&1` });
}

function startContainer(folder: string, port: number): GuardedProcess {
  const { command, cleanUp } = dockerCommand(`warren-rabbitmq-${port}`, port);
  return startGuarded(command, { env: process.env, folder, cleanUp });
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
