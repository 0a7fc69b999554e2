import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A TCP proxy on 127.0.0.1 that breaks connections on demand. */
export interface FaultProxy {
  readonly port: number;
  /** Resets all connections; new ones are taken. */
  reset(): void;
  /** Takes connections and bytes, and passes nothing on, until `resume`. */
  blackhole(): void;
  resume(): void;
  close(): Promise<void>;
}

/** Starts a proxy before `host:port`. */
export async function startFaultProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dark = false;
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on("data", (data) => {
        if (!dark) to.write(data);
      });
      from.on("error", () => undefined);
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const reset = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  return {
    port: (server.address() as AddressInfo).port,
    reset,
    blackhole: () => (dark = true),
    resume: () => (dark = false),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        reset();
      }),
  };
}
