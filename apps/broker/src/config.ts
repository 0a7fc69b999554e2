import { baseConfig, listenVariable, loadConfig, type Environment, type ListenAddress } from "@warren/service";
import { z } from "zod";

/** What the broker is told by its environment; apps/broker/README.md is the table of it. */
export interface BrokerConfig {
  readonly amqpUrl: string;
  readonly databaseUrl: string;
  readonly listen: ListenAddress;
  readonly namespace: string;
  readonly exchange: string;
  /** Where the archiver answers. Without it there is no archive, and no past but the receivers' own. */
  readonly archiveUrl: string | undefined;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

const shape = {
  ...baseConfig,
  WARREN_LISTEN: listenVariable("127.0.0.1:7070"),
  WARREN_ARCHIVE_URL: z
    .string()
    .regex(/^https?:\/\/.+/, "must look like http://127.0.0.1:7071")
    .optional(),
};

/** Throws CONFIG_INVALID with every problem. */
export function readBrokerConfig(environment: Environment): BrokerConfig {
  const config = loadConfig(shape, environment);
  return {
    amqpUrl: config.WARREN_AMQP_URL,
    databaseUrl: config.WARREN_DATABASE_URL,
    listen: config.WARREN_LISTEN,
    namespace: config.WARREN_NAMESPACE,
    exchange: config.WARREN_EXCHANGE ?? `${config.WARREN_NAMESPACE}.events`,
    archiveUrl: config.WARREN_ARCHIVE_URL,
    logLevel: config.WARREN_LOG_LEVEL,
  };
}
