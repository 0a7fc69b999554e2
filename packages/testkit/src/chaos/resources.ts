import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { LinkName } from "./links.ts";
import type { Supervised } from "./supervised.ts";
import type { ChaosSystem } from "./system.ts";

/** Established, in /proc/net/tcp. */
const established = "01";

/** Ports of both ends of the TCP connections of this machine, by inode of the socket. */
function connectionPorts(): ReadonlyMap<string, { readonly local: number; readonly remote: number }> {
  const ports = new Map<string, { readonly local: number; readonly remote: number }>();
  for (const line of readFileSync("/proc/net/tcp", "utf8").split("\n").slice(1)) {
    const [, local = "", remote = "", state, , , , , , inode = ""] = line.trim().split(/\s+/);
    const port = (address: string): number => Number.parseInt(address.split(":")[1] ?? "0", 16);
    if (state === established) ports.set(inode, { local: port(local), remote: port(remote) });
  }
  return ports;
}

/** What a process holds: connections to RabbitMQ, connections of clients, and other files. Those to PostgreSQL are bounded by a pool, which breathes. */
function holds(pid: number, ports: { readonly amqp: number; readonly own: number }): Readonly<Record<string, number>> {
  const connections = connectionPorts();
  const counts = { "connections to RabbitMQ": 0, "connections of clients": 0, files: 0 };
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let target = "";
    try {
      target = readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      // Closed meanwhile.
      continue;
    }
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    const connection = inode === undefined ? undefined : connections.get(inode);
    if (inode === undefined) counts.files += 1;
    else if (connection?.remote === ports.amqp) counts["connections to RabbitMQ"] += 1;
    else if (connection?.local === ports.own) counts["connections of clients"] += 1;
  }
  return counts;
}

/** Writes down what the apps, and RabbitMQ for them, hold now. Needs Linux. */
export async function recordResources(system: ChaosSystem, at: "baseline" | "end"): Promise<void> {
  const { links, urls, brokers, archiver, journal } = system;
  const record = (name: string, app: Supervised, link: LinkName, url: string): void => {
    if (app.pid === undefined) return;
    const ports = { amqp: Number(new URL(links.url(link)).port), own: Number(new URL(url).port) };
    journal.record({ kind: "resources", process: name, at, counts: holds(app.pid, ports) });
  };
  record("broker a", brokers.a, "a-amqp", urls.a);
  record("broker b", brokers.b, "b-amqp", urls.b);
  record("archiver", archiver, "archiver-amqp", urls.archiver);
  const channels = (await system.rabbitmq.control(["-q", "list_connections", "channels"])).split("\n").filter((line) => /^\d+$/.test(line));
  const counts = { connections: channels.length, channels: channels.reduce((sum, line) => sum + Number(line), 0) };
  journal.record({ kind: "resources", process: "RabbitMQ", at, counts });
}
