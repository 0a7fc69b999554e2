import type { LogFields, Logger } from "@warren/protocol";
import { pino, type Logger as Pino } from "pino";
import pretty from "pino-pretty";
import { maskUrl } from "./config.ts";

/** Options of a logger. */
export interface LoggerOptions {
  readonly level: "debug" | "info" | "warn" | "error" | "silent";
  /** Name of the app. */
  readonly name: string;
  /** For people, on a terminal. Default: JSON, a line each. */
  readonly pretty?: boolean | undefined;
  /** Where lines go. Default: standard error. */
  readonly destination?: { write(line: string): void } | undefined;
}

/** Logs a line each to standard error. Passwords in URLs are masked wherever they stand in a line; JSON escapes control characters. */
export function createLogger(options: LoggerOptions): Logger {
  const { level, name } = options;
  const stream =
    options.destination ??
    (options.pretty === true
      ? pretty({ destination: 2, sync: true, ignore: "pid,hostname,name", colorize: process.stderr.isTTY })
      : pino.destination({ dest: 2, sync: true }));
  return wrap(
    pino(
      {
        level,
        name,
        base: { name },
        formatters: { level: (label) => ({ level: label }) },
        timestamp: pino.stdTimeFunctions.isoTime,
        // On the whole line: a URL may stand in a message, a cause or a stack of someone else's error.
        hooks: { streamWrite: maskUrl },
      },
      stream,
    ),
  );
}

function wrap(inner: Pino): Logger {
  return {
    debug: (message, fields) => inner.debug(clean(fields), message),
    info: (message, fields) => inner.info(clean(fields), message),
    warn: (message, fields) => inner.warn(clean(fields), message),
    error: (message, fields) => inner.error(clean(fields), message),
    child: (fields) => wrap(inner.child(clean(fields))),
  };
}

function clean(fields: LogFields = {}): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    // pino writes an error under the key `err` with its stack and cause.
    if (value instanceof Error) result["err"] = value;
    else result[name] = typeof value === "bigint" ? String(value) : value;
  }
  return result;
}
