export { baseConfig, loadConfig, maskUrl, parseListen, type Environment, type ListenAddress } from "./config.ts";
export { errorCodeHeader, errorInterceptor, toConnectError } from "./connect-error.ts";
export { guardStream } from "./guard-stream.ts";
export { HealthRegistry, type HealthPart } from "./health.ts";
export { createLogger, type LoggerOptions } from "./logger.ts";
export { createMetrics, type Metrics, type Observation } from "./metrics.ts";
export { runService, type Runnable } from "./run-service.ts";
export { startServer, type AnyRequest, type AnyResponse, type RunningServer, type ServerOptions } from "./server.ts";
