import { createServer as createHttp1, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createHttp2, type ServerHttp2Session } from "node:http2";
import { createServer as createTcp, type AddressInfo, type Socket } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Limits, Times, WarrenError, type Logger } from "@warren/protocol";
import type { ListenAddress } from "./config.ts";
import { errorInterceptor } from "./connect-error.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { healthService, type HealthRegistry } from "./health.ts";
import type { Metrics } from "./metrics.ts";
import { reflectionHandler } from "./reflection.ts";
import { watchPeer } from "./watch-peer.ts";

/** A request over HTTP/1.1, or over HTTP/2 through Node's compatibility layer, which has the same members. */
export type AnyRequest = IncomingMessage;
/** Its response. */
export type AnyResponse = ServerResponse;

/** What a server serves. */
export interface ServerOptions {
  readonly listen: ListenAddress;
  readonly services: readonly DescService[];
  readonly routes: (router: ConnectRouter) => void;
  /** Plain HTTP beside the services; false: not its path. */
  readonly fallback?: ((request: AnyRequest, response: AnyResponse) => boolean) | undefined;
  readonly health: HealthRegistry;
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/** A running server. */
export interface RunningServer {
  readonly url: string;
  /** No new calls; open ones may end by themselves within `deadlineMs`, then all is closed. Twice is fine. */
  drain(deadlineMs?: number): Promise<void>;
  /** Closes everything now. Twice is fine. */
  close(): Promise<void>;
}

const preface = Buffer.from("PRI * HTTP/2.0");
/** A socket that says nothing for so long is closed. */
const silentSocketMs = 5_000;

/**
 * Serves gRPC, gRPC-Web and Connect over HTTP/2 and HTTP/1.1 without TLS, with health, reflection, probes and metrics, all on one port: the first
 * bytes of a connection tell which HTTP it speaks. Throws ADDRESS_IN_USE, CONFIG_INVALID.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { health, metrics, logger, services } = options;
  const adapter = connectNodeAdapter({
    routes(router) {
      options.routes(router);
      router.service(
        Health,
        healthService(
          health,
          services.map(({ typeName }) => typeName),
        ),
      );
      router.service(ServerReflection, { serverReflectionInfo: reflectionHandler([...services, Health]) });
      router.service(ServerReflectionAlpha, { serverReflectionInfo: reflectionHandler([...services, Health]) });
    },
    fallback: (request, response) => plain(request as AnyRequest, response as AnyResponse, options, metrics),
    interceptors: [errorInterceptor(logger)],
    // gzip would double the CPU of every streamed batch.
    acceptCompression: [],
    readMaxBytes: Limits.requestBytes,
  });
  const http1 = createHttp1((request, response) => adapter(request, response));
  const http2 = createHttp2(
    { maxSessionInvalidFrames: 10, settings: { maxConcurrentStreams: 100, enablePush: false, initialWindowSize: 1024 * 1024 } },
    (request, response) => adapter(request, response),
  );
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  http2.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", (error) => logger.debug("HTTP/2 session error", { error: error.message }));
    watchPeer(session);
  });
  const tcp = createTcp((socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", (error) => logger.debug("socket error", { error: error.message }));
    sniff(socket, (isHttp2) => (isHttp2 ? http2 : http1).emit("connection", socket));
  });
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  tcp.once("error", (error: NodeJS.ErrnoException) => reject(toListenError(error, options.listen)));
  tcp.listen(options.listen.port, options.listen.host, resolve);
  await listening;
  const { port } = tcp.address() as AddressInfo;
  const host = options.listen.host.includes(":") ? `[${options.listen.host}]` : options.listen.host;

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((done) => {
      tcp.close(() => done());
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    });
    return closing;
  };
  return {
    url: `http://${host}:${port}`,
    close,
    async drain(deadlineMs = Times.drainMs) {
      const { promise, resolve: done } = Promise.withResolvers<void>();
      const timer = setTimeout(done, deadlineMs);
      tcp.close();
      // GOAWAY: calls under way may end, no new ones begin.
      const ended = [...sessions].map((session) => new Promise<void>((end) => session.close(end)));
      http1.closeIdleConnections();
      void allClosed(ended, done);
      await promise;
      clearTimeout(timer);
      await close();
    },
  };
}

async function allClosed(closing: readonly Promise<void>[], done: () => void): Promise<void> {
  await Promise.all(closing);
  done();
}

/** Reads the first bytes, gives them back, and says whether they begin HTTP/2. */
function sniff(socket: Socket, decide: (isHttp2: boolean) => void): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), silentSocketMs);
  socket.on("close", () => clearTimeout(timer));
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const matches = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (matches && seen.length < preface.length) return;
    clearTimeout(timer);
    socket.removeListener("readable", onReadable);
    socket.unshift(seen);
    decide(matches);
  };
  socket.on("readable", onReadable);
}

function toListenError(error: NodeJS.ErrnoException, { host, port }: ListenAddress): WarrenError {
  if (error.code === "EADDRINUSE") {
    return new WarrenError(
      "ADDRESS_IN_USE",
      `port ${port} of ${host} is taken; stop what listens there, or set WARREN_LISTEN to another address`,
      { cause: error },
    );
  }
  return new WarrenError("CONFIG_INVALID", `cannot listen on ${host}:${port} (${error.code}); check WARREN_LISTEN`, { cause: error });
}

function plain(request: AnyRequest, response: AnyResponse, { health, fallback }: ServerOptions, metrics: Metrics): void {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const answer = (status: number, body: unknown): void => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(`${JSON.stringify(body)}\n`);
  };
  if (path === "/livez") return answer(200, { status: "ok" });
  if (path === "/startupz") return answer(health.started ? 200 : 503, { status: health.started ? "ok" : "starting" });
  if (path === "/readyz") {
    const problems = health.problems();
    const ready = Object.keys(problems).length === 0;
    const status = ready ? "ok" : "not ready";
    return answer(ready ? 200 : 503, ready && !query.includes("verbose") ? { status } : { status, problems });
  }
  if (path === "/metrics") return metrics.handle(request, response);
  if (fallback?.(request, response) === true) return undefined;
  return answer(404, { code: "not_found", message: `nothing is served at ${path}` });
}
