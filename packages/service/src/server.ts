import { createServer as createHttp1 } from "node:http";
import { createServer as createHttp2, type ServerHttp2Session } from "node:http2";
import { createServer as createTcp, type AddressInfo, type Socket } from "node:net";
import type { DescService } from "@bufbuild/protobuf";
import type { ConnectRouter } from "@connectrpc/connect";
import { Limits, Times, WarrenError, type Logger } from "@warren/protocol";
import type { ListenAddress } from "./config.ts";
import { AddressCounter, defaultConnectionLimits, limitSession, type ConnectionLimits } from "./connection-guard.ts";
import { Health } from "./gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "./gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "./gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { healthService } from "./health.ts";
import { answerPlainHttp, type AnyRequest, type AnyResponse, type PlainHttpOptions } from "./plain-http.ts";
import { reflectionHandler } from "./reflection.ts";
import { createRequestHandler } from "./request-handler.ts";
import { sniffHttp2 } from "./sniff-http2.ts";
import { watchPeer } from "./watch-peer.ts";

/** What a server serves. */
export interface ServerOptions extends PlainHttpOptions {
  readonly listen: ListenAddress;
  readonly services: readonly DescService[];
  readonly routes: (router: ConnectRouter) => void;
  readonly logger: Logger;
  /** Those that differ from the default. */
  readonly limits?: Partial<ConnectionLimits> | undefined;
  /** For the ages of sessions. Default `Math.random`. */
  readonly random?: (() => number) | undefined;
}

/** A running server. */
export interface RunningServer {
  readonly url: string;
  /** No new calls; open ones may end by themselves within `deadlineMs` (default 10 s), then all is closed. Twice is fine. */
  drain(deadlineMs?: number): Promise<void>;
  /** Closes everything now. Twice is fine. */
  close(): Promise<void>;
}

/** What a client may open and send in one HTTP/2 session. */
const http2Limits = {
  maxSessionInvalidFrames: 10,
  maxSessionRejectedStreams: 10,
  /** In MiB: as many streams as the SDK opens, each with a batch that its client does not read. */
  maxSessionMemory: 64,
  maxHeaderListPairs: Limits.requestHeaders,
  settings: {
    maxConcurrentStreams: Limits.sessionStreams,
    maxHeaderListSize: Limits.requestHeaderBytes,
    enablePush: false,
    initialWindowSize: 1024 * 1024,
  },
};
/** For the headers and the whole of a request over HTTP/1.1. */
const http1Limits = {
  headersTimeout: Times.connectionFirstRequestMs,
  requestTimeout: 60_000,
  connectionsCheckingInterval: 5_000,
  maxHeaderSize: Limits.requestHeaderBytes,
};

/**
 * Serves gRPC, gRPC-Web and Connect over HTTP/2 and HTTP/1.1 without TLS, with health, reflection, probes and metrics, all on one port: the first
 * bytes of a connection tell which HTTP it speaks. Throws ADDRESS_IN_USE, CONFIG_INVALID.
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { health, logger, services, listen, random = Math.random } = options;
  const limits = { ...defaultConnectionLimits, ...options.limits };
  const handle = createRequestHandler({
    routes(router) {
      options.routes(router);
      const names = services.map(({ typeName }) => typeName);
      router.service(Health, healthService(health, names));
      router.service(ServerReflection, { serverReflectionInfo: reflectionHandler([...services, Health]) });
      router.service(ServerReflectionAlpha, { serverReflectionInfo: reflectionHandler([...services, Health]) });
    },
    fallback: (request, response) => answerPlainHttp(request, response, options),
    logger,
  });
  /** Responses over HTTP/1.1 under way. */
  const answering = new Set<AnyResponse>();
  let idle = (): void => undefined;
  const http1 = createHttp1(http1Limits, (request, response) => {
    answering.add(response);
    response.on("close", () => {
      answering.delete(response);
      idle();
    });
    handle(request, response);
  });
  // Node checks slow headers and requests only after `listening`, which a server that is handed its connections never sees.
  http1.emit("listening");
  const http2 = createHttp2(http2Limits, (request, response) =>
    handle(request as unknown as AnyRequest, response as unknown as AnyResponse),
  );
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<Socket>();
  http2.on("session", (session) => {
    sessions.add(session);
    session.on("close", () => sessions.delete(session));
    session.on("error", (error) => logger.debug("HTTP/2 session error", { error: error.message }));
    watchPeer(session);
    limitSession(session, limits, random);
  });
  const addresses = new AddressCounter(limits.perAddress);
  const tcp = createTcp((socket) => {
    if (!addresses.admit(socket)) {
      logger.debug("connection refused: too many of its address", { address: socket.remoteAddress ?? "" });
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.setNoDelay(true);
    // HTTP/1.1 has no ping: the kernel finds a follower that is gone without a word.
    socket.setKeepAlive(true, Times.heartbeatMs);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", (error) => logger.debug("socket error", { error: error.message }));
    sniffHttp2(socket, (isHttp2) => (isHttp2 ? http2 : http1).emit("connection", socket), limits.prefaceMs);
  });
  tcp.maxConnections = limits.total;
  const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
  tcp.once("error", (error: NodeJS.ErrnoException) => reject(toListenError(error, listen)));
  tcp.listen(listen.port, listen.host, resolve);
  await listening;
  const { port } = tcp.address() as AddressInfo;
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= new Promise((done) => {
      tcp.close(() => done());
      // Ends its checks of slow requests.
      http1.close();
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
    });
    return closing;
  };
  return {
    url: `http://${host}:${port}`,
    close,
    async drain(deadlineMs = Times.drainMs) {
      const { promise: late, resolve: done } = Promise.withResolvers<void>();
      const timer = setTimeout(done, deadlineMs);
      tcp.close();
      // GOAWAY: calls under way may end, no new ones begin.
      const http2Ended = [...sessions].map((session) => new Promise<void>((end) => session.close(end)));
      const http1Ended = new Promise<void>((end) => {
        idle = () => {
          http1.closeIdleConnections();
          if (answering.size === 0) end();
        };
        idle();
      });
      await Promise.race([late, Promise.all([...http2Ended, http1Ended])]);
      clearTimeout(timer);
      await close();
    },
  };
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
