import { constants, type ServerHttp2Stream } from "node:http2";
import { createConnectRouter, createContextKey, createContextValues, type ConnectRouter } from "@connectrpc/connect";
import type { UniversalHandler } from "@connectrpc/connect/protocol";
import { compressionGzip, universalRequestFromNodeRequest, universalResponseToNodeResponse } from "@connectrpc/connect-node";
import { Limits, Times, type Logger } from "@warren/protocol";
import { errorInterceptor } from "./connect-error.ts";
import { mendMalformed } from "./mend-malformed.ts";
import type { AnyRequest, AnyResponse } from "./plain-http.ts";
import { createStreamWriter, streamWriter } from "./stream-writer.ts";
import { strictJson } from "./strict-json.ts";

/** More than an answer may have. */
const neverCompressed = 0xffff_ffff;

/** What a request handler needs. */
export interface RequestHandlerOptions {
  readonly routes: (router: ConnectRouter) => void;
  /** Answers what is no call of a service. */
  readonly fallback: (request: AnyRequest, response: AnyResponse) => void;
  readonly logger: Logger;
}

/** In a call's context: ends its stream at once, whatever waits to be sent. For a peer that reads nothing: its handler hangs in a write and cannot end by itself. */
export const hangUp = createContextKey<() => void>(() => undefined);

/**
 * Answers every request of both HTTP servers; never throws. It stands in the place of connectNodeAdapter, which throws out of the `request` event (and so ends the
 * process) for a request without a usable authority, and writes to the console when a client goes away (connect-node 2.2.0).
 */
export function createRequestHandler(options: RequestHandlerOptions): (request: AnyRequest, response: AnyResponse) => void {
  const { routes, fallback, logger } = options;
  const router = createConnectRouter({
    interceptors: [errorInterceptor(logger)],
    // What clients send may be compressed, and is not read beyond its limit; we never compress: gzip would double the CPU of every streamed batch.
    acceptCompression: [compressionGzip],
    compressMinBytes: neverCompressed,
    readMaxBytes: Limits.requestBytes,
    maxTimeoutMs: Times.callMaxMs,
  });
  routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  return (request, response) => {
    closeWhenAnswered(request);
    const handler = handlers.get((request.url ?? "").split("?", 1)[0] ?? "");
    try {
      if (handler === undefined) fallback(request, response);
      else void answer(handler, request, response, logger);
    } catch (error) {
      refuse(response, error, logger);
    }
  };
}

async function answer(handler: UniversalHandler, request: AnyRequest, response: AnyResponse, logger: Logger): Promise<void> {
  try {
    const values = createContextValues()
      .set(hangUp, () => cut(response))
      .set(streamWriter, createStreamWriter(response));
    const call = universalRequestFromNodeRequest(request, response, undefined, values);
    await universalResponseToNodeResponse(await mendMalformed(await handler(strictJson(call))), response);
  } catch (error) {
    refuse(response, error, logger);
  }
}

/** Tells an HTTP/2 peer that its stream is over; one that speaks HTTP/1.1 loses its connection. */
function cut(response: AnyResponse): void {
  const { stream } = response as { readonly stream?: ServerHttp2Stream };
  stream?.close(constants.NGHTTP2_CANCEL);
  response.destroy();
}

/** Before the headers: a bad request, for example a `Host` that is none. After them: the client went away. */
function refuse(response: AnyResponse, error: unknown, logger: Logger): void {
  logger.debug("request failed", { error: error instanceof Error ? error.message : String(error) });
  if (response.headersSent || response.destroyed) return void response.destroy();
  response.writeHead(400, { "content-type": "application/json" });
  response.end(`${JSON.stringify({ code: "invalid_argument", message: "the request has no usable path or authority" })}\n`);
}

/** For the answer to reach a client that still writes. */
const lingerMs = 200;

/**
 * An HTTP/2 stream that was answered before its request was read stays half-open for as long as the client likes, and holds what was sent: Node
 * closes it only when everything was read. Trailers are the last of an answer; shortly after them the stream may go.
 */
function closeWhenAnswered(request: AnyRequest): void {
  const { stream } = request as { readonly stream?: ServerHttp2Stream };
  stream?.once("wantTrailers", () => {
    if (!stream.readableEnded) setTimeout(() => stream.destroy(), lingerMs).unref();
  });
}
