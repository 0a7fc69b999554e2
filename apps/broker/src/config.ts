import { baseConfig, listenVariable, loadConfig, type Environment, type ListenAddress } from "@warren/service";
import { Times } from "@warren/protocol";
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
  /** A receiver without consumers is removed after so many milliseconds; 0: never. */
  readonly retireAfterMs: number;
  readonly logLevel: "debug" | "info" | "warn" | "error" | "silent";
}

const units: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const shape = {
  ...baseConfig,
  WARREN_LISTEN: listenVariable("127.0.0.1:7070"),
  WARREN_ARCHIVE_URL: z
    .string()
    .regex(/^https?:\/\/.+/, "must look like http://127.0.0.1:7071")
    .optional(),
  WARREN_RETIRE_AFTER: z
    .string()
    .regex(/^(off|0|\d{1,6}[smhd])$/, "must be off, or a number with s, m, h or d, like 7d")
    .transform((text) => Number.parseInt(text, 10) * (units[text.at(-1) ?? ""] ?? 0) || 0)
    .default(Times.retireAfterMs),
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
    retireAfterMs: config.WARREN_RETIRE_AFTER,
    logLevel: config.WARREN_LOG_LEVEL,
  };
}
