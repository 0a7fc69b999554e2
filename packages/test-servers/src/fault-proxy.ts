import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { Pump } from "./pump.ts";
import { Toxics, type Direction, type Toxic } from "./toxic.ts";

/** A TCP proxy on 127.0.0.1 that breaks connections on demand. */
export interface FaultProxy {
  readonly port: number;
  /** Bytes that it has read and not yet passed on, over all connections. Bounded for each: it does not read what it cannot pass on. */
  readonly held: number;
  /** Connections under way. */
  readonly connections: number;
  /** Resets all connections; new ones are taken. */
  reset(): void;
  /** Resets the next `count` connections as soon as the server answers: in the middle of their set-up. */
  resetNext(count: number): void;
  /** Puts a toxic into a direction of all connections, those under way too, until `resume`; another one of its kind is replaced. */
  poison(direction: Direction, toxic: Toxic): void;
  /** Takes connections and bytes, and passes nothing on, until `resume`. */
  blackhole(): void;
  /** Passes on what clients send, and swallows the answers, until `resume`. */
  swallowAnswers(): void;
  /** Removes all toxics. What they held back is passed on at once; what was swallowed never comes. */
  resume(): void;
  /** Resets all connections and refuses new ones, until `accept`. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** New connections go to another server from now on; those under way stay. */
  retarget(target: { readonly host: string; readonly port: number }): void;
  /** Shows each chunk that a client sends; `inject` sends more to the server in its name. One listener at a time. */
  onSent(listener: (chunk: Buffer, inject: (bytes: Uint8Array) => void) => void): void;
  close(): Promise<void>;
}

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
  readonly pumps: readonly Pump[];
}

/** Starts a proxy before `host:port`. */
export async function startFaultProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const pairs = new Set<Pair>();
  const toServer = new Toxics();
  const toClient = new Toxics();
  let { host, port: targetPort } = target;
  let doomed = 0;
  let onSent: Parameters<FaultProxy["onSent"]>[0] | undefined;
  const server = createServer((client) => {
    const upstream = connect(targetPort, host);
    if (doomed > 0) {
      doomed -= 1;
      upstream.once("data", () => {
        client.resetAndDestroy();
        upstream.destroy();
      });
    }
    const up = new Pump(client, upstream, toServer);
    const down = new Pump(upstream, client, toClient);
    const pair = { client, upstream, pumps: [up, down] };
    pairs.add(pair);
    client.on("data", (chunk) => {
      onSent?.(chunk, (bytes) => void upstream.write(bytes));
      up.take(chunk);
    });
    upstream.on("data", (chunk) => down.take(chunk));
    for (const [from, to, pump] of [
      [client, upstream, up],
      [upstream, client, down],
    ] as const) {
      from.on("error", () => undefined);
      from.on("end", () => pump.end(false));
      from.on("close", () => {
        pump.end(true);
        if (to.destroyed) pairs.delete(pair);
      });
    }
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const reset = (): void => {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      reset();
    });
  const poison = (direction: Direction, toxic: Toxic): void => {
    if (direction !== "to-client") toServer.set(toxic);
    if (direction !== "to-server") toClient.set(toxic);
  };
  return {
    port,
    get held() {
      return [...pairs].reduce((sum, { pumps }) => sum + pumps.reduce((held, pump) => held + pump.held, 0), 0);
    },
    get connections() {
      return pairs.size;
    },
    reset,
    refuse,
    poison,
    accept: () => listen(port),
    retarget: (other) => ({ host, port: targetPort } = other),
    resetNext: (count) => (doomed = count),
    blackhole: () => poison("both", { kind: "black-hole" }),
    swallowAnswers: () => poison("to-client", { kind: "black-hole" }),
    resume() {
      toServer.clear();
      toClient.clear();
    },
    onSent: (listener) => (onSent = listener),
    close: refuse,
  };
}
