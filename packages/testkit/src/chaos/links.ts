import { startFaultProxy, type FaultProxy } from "@warren/test-servers";

/** The connections of a deployment: who reaches whom. */
export const linkNames = [
  "publishers-amqp",
  "a-amqp",
  "b-amqp",
  "archiver-amqp",
  "a-postgres",
  "b-postgres",
  "archiver-postgres",
  "front",
] as const;

/** A name of a connection. `front`: of subscribers to the broker that serves them. */
export type LinkName = (typeof linkNames)[number];

/** A proxy in each connection. */
export interface Links {
  proxy(link: LinkName): FaultProxy;
  /** The address of what is behind the proxy, as it is reached through it. */
  url(link: LinkName): string;
  /** Which broker serves the subscribers. */
  readonly front: "a" | "b";
  /** Lets subscribers reach the other broker, and resets their connections. */
  pointFrontAt(broker: "a" | "b"): void;
  close(): Promise<void>;
}

/** What is behind the proxies. */
export interface LinkTargets {
  readonly amqp: string;
  readonly postgres: string;
  readonly archiverPostgres: string;
  readonly brokers: Readonly<Record<"a" | "b", string>>;
}

const where = ({ hostname, port }: URL): { readonly host: string; readonly port: number } => ({ host: hostname, port: Number(port) });

/** Opens a proxy in each connection. */
export async function openLinks({ amqp, postgres, archiverPostgres, brokers }: LinkTargets): Promise<Links> {
  let front: "a" | "b" = "a";
  const target = (link: LinkName): URL => {
    if (link === "front") return new URL(brokers[front]);
    if (link === "archiver-postgres") return new URL(archiverPostgres);
    return new URL(link.endsWith("-amqp") ? amqp : postgres);
  };
  const proxies = new Map<LinkName, FaultProxy>();
  for (const link of linkNames) {
    proxies.set(link, await startFaultProxy(where(target(link))));
  }
  const proxy = (link: LinkName): FaultProxy => {
    const found = proxies.get(link);
    if (found === undefined) throw new Error(`no proxy for ${link}`);
    return found;
  };
  return {
    proxy,
    url(link) {
      const url = target(link);
      url.hostname = "127.0.0.1";
      url.port = String(proxy(link).port);
      return url.href.replace(/\/$/, "");
    },
    get front() {
      return front;
    },
    pointFrontAt(broker) {
      front = broker;
      proxy("front").retarget(where(target("front")));
      proxy("front").reset();
    },
    async close() {
      await Promise.all([...proxies.values()].map((each) => each.close()));
    },
  };
}
