import { baseConfig, listenVariable, loadConfig, type Environment, type ListenAddress } from "@warren/service";
import type { ExchangeSpec } from "@warren/transport";

/** What the archiver is told by its environment; apps/archiver/README.md is the table of it. */
export interface ArchiverConfig {
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly listen: ListenAddress;
  readonly namespace: string;
  /** Made when it is our own, only looked up when it was named: an existing exchange is used as it is. */
  readonly exchange: ExchangeSpec;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

const shape = { ...baseConfig, WARREN_LISTEN: listenVariable("127.0.0.1:7071") };

/** Throws CONFIG_INVALID with every problem. */
export function readArchiverConfig(environment: Environment): ArchiverConfig {
  const config = loadConfig(shape, environment);
  return {
    amqpUrl: config.WARREN_AMQP_URL,
    databaseUrl: config.WARREN_DATABASE_URL,
    listen: config.WARREN_LISTEN,
    namespace: config.WARREN_NAMESPACE,
    exchange:
      config.WARREN_EXCHANGE === undefined
        ? { name: `${config.WARREN_NAMESPACE}.events`, mode: "declare" }
        : { name: config.WARREN_EXCHANGE, mode: "passive" },
    logLevel: config.WARREN_LOG_LEVEL,
  };
}
