import { connect, createServer, type AddressInfo, type Socket } from "node:net";

/** A TCP proxy on 127.0.0.1 that breaks connections on demand. */
export interface FaultProxy {
  readonly port: number;
  /** Resets all connections; new ones are taken. */
  reset(): void;
  /** Resets the next `count` connections as soon as the server answers: in the middle of their set-up. */
  resetNext(count: number): void;
  /** Takes connections and bytes, and passes nothing on, until `resume`. */
  blackhole(): void;
  /** Passes on what clients send, and swallows the answers, until `resume`. */
  swallowAnswers(): void;
  resume(): void;
  /** Resets all connections and refuses new ones, until `accept`. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  /** Shows each chunk that a client sends; `inject` sends more to the server in its name. One listener at a time. */
  onSent(listener: (chunk: Buffer, inject: (bytes: Uint8Array) => void) => void): void;
  close(): Promise<void>;
}

/** Starts a proxy before `host:port`. */
export async function startFaultProxy(target: { readonly host: string; readonly port: number }): Promise<FaultProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  let dark = false;
  let mute = false;
  let doomed = 0;
  let onSent: Parameters<FaultProxy["onSent"]>[0] | undefined;
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host);
    if (doomed > 0) {
      doomed -= 1;
      upstream.once("data", () => {
        client.resetAndDestroy();
        upstream.destroy();
      });
    }
    const pair = [client, upstream] as const;
    pairs.add(pair);
    for (const [from, to] of [pair, [upstream, client] as const]) {
      from.on("data", (data) => {
        if (from === client) onSent?.(data, (bytes) => void upstream.write(bytes));
        if (!dark && !(mute && from === upstream)) to.write(data);
      });
      from.on("error", () => undefined);
      from.on("close", () => {
        to.destroy();
        pairs.delete(pair);
      });
    }
  });
  const listen = (port: number): Promise<void> => new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const reset = (): void => {
    for (const [client, upstream] of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  };
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      reset();
    });
  return {
    port,
    reset,
    refuse,
    accept: () => listen(port),
    resetNext: (count) => (doomed = count),
    blackhole: () => (dark = true),
    swallowAnswers: () => (mute = true),
    resume() {
      dark = false;
      mute = false;
    },
    onSent: (listener) => (onSent = listener),
    close: refuse,
  };
}
