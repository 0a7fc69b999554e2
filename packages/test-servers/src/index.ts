import "./provided.ts";

export { describeBadInput, type BadInputResult, type BadInputRow } from "./bad-input.ts";
export { startFaultProxy, type FaultProxy } from "./fault-proxy.ts";
export { freePorts } from "./free-ports.ts";
export { installDebian, mayInstallDebian } from "./install-debian.ts";
export { startGuarded, type GuardedProcess } from "./guarded-process.ts";
export { ensureRabbitMq } from "./install-rabbitmq.ts";
export { installedPostgresBin, postgresBinVariable } from "./installed-postgres.ts";
export { testNamespace } from "./namespace.ts";
export { envelope, Http2Frames, RawHttp2, type Http2Frame } from "./raw-http2.ts";
export { startPostgres, type PrivatePostgres } from "./postgres.ts";
export { rabbitmqInstalled, startRabbitMq, type PrivateRabbitMq, type RabbitMqFaults } from "./rabbitmq.ts";
export type { PrivateServer, ServerFaults } from "./server-faults.ts";
export type { Direction, Toxic } from "./toxic.ts";
export { watchConsumers, type WatchedConsumers } from "./watch-consumers.ts";
