import { existsSync } from "node:fs";
import { mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureRabbitMq, freePorts, installDebian, mayInstallDebian, startGuarded, startRabbitMq } from "@warren/test-servers";
import { startRealSystem } from "@warren/testkit";
import type { Target } from "./client.ts";

/** All systems, each on servers of its own, started. */
export interface Servers {
  /** Without an archive: events are stored once, as the peers do. */
  readonly warren: Target;
  readonly warrenArchived: Target;
  readonly nats: Target;
  readonly redisAlways: Target;
  readonly redisEverysec: Target;
  readonly rabbitMq: Target;
  stop(): Promise<void>;
}

interface Stoppable {
  stop(): Promise<void>;
}

const programs = { "nats-server": "/usr/sbin/nats-server", "redis-server": "/usr/bin/redis-server" };
const startMs = 30_000;

/** Installs the peers that are missing. Throws with what to do when it may not. */
export function installPeers(say: (line: string) => void): void {
  ensureRabbitMq(say);
  const missing = Object.entries(programs).flatMap(([name, program]) => (existsSync(program) ? [] : [name]));
  if (missing.length === 0) return;
  if (!mayInstallDebian()) throw new Error(`install ${missing.join(" and ")} first (Debian: sudo apt-get install ${missing.join(" ")})`);
  say(`installing ${missing.join(" and ")} from Debian`);
  installDebian(missing);
}

/** Starts ours (a broker, and a broker with an archiver, each with a RabbitMQ and a PostgreSQL) and its peers, all on free ports. Takes about 20 seconds. */
export async function startServers(say: (line: string) => void): Promise<Servers> {
  installPeers(say);
  const main = fileURLToPath(new URL("../../../apps/cli/dist/main.js", import.meta.url));
  const [streamPort] = await freePorts(1);
  const stream = [
    `stream.listeners.tcp.1 = 127.0.0.1:${streamPort}`,
    "stream.advertised_host = 127.0.0.1",
    `stream.advertised_port = ${streamPort}`,
  ];
  const started: Stoppable[] = [];
  const start = async <Server extends Stoppable>(starting: () => Promise<Server>): Promise<Server> => {
    const server = await again(starting, say);
    started.push(server);
    return server;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(started.splice(0).map((server) => server.stop()));
  };
  const results = await Promise.allSettled([
    start(() => startRealSystem(main, say, { archive: false })),
    start(() => startRealSystem(main, say)),
    start(() => startRabbitMq({ plugins: ["rabbitmq_stream"], config: stream })),
    start(startNats),
    start(() => startRedis("always")),
    start(() => startRedis("everysec")),
  ]);
  const failed = results.find((result) => result.status === "rejected");
  const [warren, warrenArchived, rabbitMq, nats, redisAlways, redisEverysec] = results.map((result) =>
    result.status === "fulfilled" ? result.value : undefined,
  ) as unknown as [
    Awaited<ReturnType<typeof startRealSystem>>,
    Awaited<ReturnType<typeof startRealSystem>>,
    Awaited<ReturnType<typeof startRabbitMq>>,
    PeerServer,
    PeerServer,
    PeerServer,
  ];
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return {
    warren: targetOf(warren),
    warrenArchived: targetOf(warrenArchived),
    nats: { nats: `127.0.0.1:${nats.port}` },
    redisAlways: { redisPort: String(redisAlways.port) },
    redisEverysec: { redisPort: String(redisEverysec.port) },
    rabbitMq: { amqp: rabbitMq.url, streamPort: String(streamPort) },
    stop,
  };
}

function targetOf({ amqpUrl, exchange, brokerUrl }: Awaited<ReturnType<typeof startRealSystem>>): Target {
  return { amqpUrl, exchange, brokerUrl };
}

/** Tries three times: between finding a free port and taking it another program may have taken it. */
async function again<Server>(start: () => Promise<Server>, say: (line: string) => void): Promise<Server> {
  for (let left = 2; ; left -= 1) {
    try {
      return await start();
    } catch (error) {
      if (left === 0) throw error;
      say(`a server did not start, it is tried again: ${error instanceof Error ? error.message.slice(0, 200) : String(error)}`);
    }
  }
}

interface PeerServer extends Stoppable {
  readonly port: number;
}

function startNats(): Promise<PeerServer> {
  return startPeer((port, folder) => [
    programs["nats-server"],
    "--addr",
    "127.0.0.1",
    "--port",
    String(port),
    "--jetstream",
    "--store_dir",
    folder,
  ]);
}

/** Without snapshots, and without writing the file of appends anew in the middle of a measurement. */
function startRedis(appendFsync: "always" | "everysec"): Promise<PeerServer> {
  const options = { bind: "127.0.0.1", appendonly: "yes", appendfsync: appendFsync, "auto-aof-rewrite-percentage": "0", save: "" };
  return startPeer((port, folder) => {
    const all = Object.entries({ ...options, port: String(port), dir: folder });
    return [programs["redis-server"], ...all.flatMap(([name, value]) => [`--${name}`, value])];
  });
}

async function startPeer(command: (port: number, folder: string) => readonly string[]): Promise<PeerServer> {
  const [[port = 0], folder] = await Promise.all([freePorts(1), mkdtemp(join(tmpdir(), "warren-peer-"))]);
  const server = startGuarded(command(port, folder), { env: process.env, folder });
  for (const end = performance.now() + startMs; !(await listens(port));) {
    if (performance.now() > end) throw new Error(`${command(port, folder)[0]} did not start: ${server.output()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { port, stop: () => server.stop() };
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}
