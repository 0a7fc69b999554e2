export {
  baseConfig,
  describeConfig,
  listenVariable,
  loadConfig,
  maskUrl,
  parseListen,
  type Environment,
  type ListenAddress,
} from "./config.ts";
export { errorCodeHeader, errorInterceptor, isMalformed, toConnectError } from "./connect-error.ts";
export { guardStream } from "./guard-stream.ts";
export { HealthRegistry, pollHealth, type HealthPart, type PolledPart } from "./health.ts";
export { createLogger, type LoggerOptions } from "./logger.ts";
export { hangUp } from "./request-handler.ts";
export { createMetrics, type Metrics, type Observation } from "./metrics.ts";
export { runService, type Runnable } from "./run-service.ts";
export type { AnyRequest, AnyResponse, PlainHttpOptions } from "./plain-http.ts";
export { pause, waitForStore, type WaitDeps } from "./wait-for-store.ts";
export { streamWriter, toEnvelope, type Envelope, type StreamWriter } from "./stream-writer.ts";
export { startServer, type RunningServer, type ServerOptions } from "./server.ts";
export { yieldToWork } from "./yield-to-work.ts";
