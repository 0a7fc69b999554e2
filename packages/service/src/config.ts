import { readFileSync } from "node:fs";
import { WarrenError } from "@warren/protocol";
import { z } from "zod";

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

const listen = /^(?<host>\[[^\]]+\]|[^:]+):(?<port>\d{1,5})$/;

/** An address to listen on. Port 0: one that is free. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** Reads "host:port". Throws CONFIG_INVALID. */
export function parseListen(text: string): ListenAddress {
  const match = listen.exec(text)?.groups;
  const port = Number(match?.["port"]);
  if (match === undefined || port > 65_535)
    throw new WarrenError("CONFIG_INVALID", `address ${JSON.stringify(text)} must look like 127.0.0.1:7070`);
  return { host: (match["host"] ?? "").replace(/^\[|\]$/g, ""), port };
}

/** WARREN_LISTEN, for `loadConfig`: the address of the one port. */
export function listenVariable(defaultAddress: string) {
  return z
    .string()
    .default(defaultAddress)
    .transform((text, context) => {
      try {
        return parseListen(text);
      } catch {
        context.addIssue({ code: "custom", message: "must look like 127.0.0.1:7070" });
        return z.NEVER;
      }
    });
}

const levels = ["debug", "info", "warn", "error", "silent"] as const;

/** What both apps are told by their environment; the docstring of each field is its documentation. */
export const baseConfig = {
  /** RabbitMQ. Required. */
  WARREN_AMQP_URL: z.string().regex(/^amqps?:\/\/.+/, "must look like amqp://user:password@host:5672/vhost"),
  /** PostgreSQL. Required: nothing is ever made in a database that was not named. */
  WARREN_DATABASE_URL: z.string().regex(/^postgres(ql)?:\/\/.+/, "must look like postgres://user:password@host:5432/database"),
  /** Prefix of exchange, queues and schemas of one deployment. */
  WARREN_NAMESPACE: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,39}$/, "must be a lower-case letter, then up to 39 letters, digits or _")
    .default("warren"),
  /** An existing topic exchange, used as it is. Without it: `<namespace>.events`, made by the archiver. */
  WARREN_EXCHANGE: z.string().min(1).max(200).optional(),
  /** debug, info, warn, error or silent. */
  WARREN_LOG_LEVEL: z.enum(levels, { error: `must be one of ${levels.join(", ")}` }).default("info"),
};

/**
 * Reads variables by a schema; `NAME_FILE` names a file that holds the value of NAME. Returns them frozen. Throws one CONFIG_INVALID that lists every problem
 * with its variable, what was given and what it must be; a value that may hold a secret is not repeated.
 */
export function loadConfig<Shape extends z.ZodRawShape>(shape: Shape, environment: Environment): Readonly<z.infer<z.ZodObject<Shape>>> {
  const values: Record<string, string> = {};
  const problems: string[] = [];
  for (const name of Object.keys(shape)) {
    const file = environment[`${name}_FILE`];
    const value = environment[name];
    if (value !== undefined && value !== "") values[name] = value;
    else if (file !== undefined && file !== "") {
      try {
        values[name] = readFileSync(file, "utf8").trim();
      } catch {
        problems.push(`${name}_FILE names a file that cannot be read: ${file}`);
      }
    }
  }
  const parsed = z.object(shape).safeParse(values);
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0]);
    const value = values[name];
    if (value === undefined) problems.push(`${name} is not set: ${issue.message.replace(/^Invalid input.*$/, "it is required")}`);
    else
      problems.push(
        mayBeSecret(name) ? `${name} ${issue.message}` : `${name} is ${JSON.stringify(value.slice(0, 200))}; it ${issue.message}`,
      );
  }
  if (parsed.data === undefined || problems.length > 0)
    throw new WarrenError("CONFIG_INVALID", `the configuration is wrong:\n  ${problems.join("\n  ")}`);
  return Object.freeze(parsed.data);
}

/** URLs hold passwords, and what was meant to be a URL may be one. */
function mayBeSecret(name: string): boolean {
  return /URL|PASSWORD|TOKEN|SECRET|KEY/.test(name);
}

/** A text that may be shown: URLs in it without their passwords. */
export function maskUrl(text: string): string {
  return text
    .replace(/([a-z][a-z0-9+.-]*:\/\/[^\s"'/:@]*):[^\s"'/]*@/gi, "$1:***@")
    .replace(/([?&](?:password|sslpassword|token)=)[^&\s"']*/gi, "$1***");
}

/** A configuration as it may be logged: passwords masked, what is not set left out. */
export function describeConfig(config: object): Readonly<Record<string, string>> {
  const given = Object.entries(config).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    given.map(([name, value]: [string, unknown]) => [name, maskUrl(typeof value === "string" ? value : JSON.stringify(value))]),
  );
}
