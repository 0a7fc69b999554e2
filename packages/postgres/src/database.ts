import { WarrenError, type Logger } from "@warren/protocol";
import { Kysely, sql } from "kysely";
import { CopyOut, type CopyFields } from "./copy-out.ts";
import type { ParameterValue } from "./execute-messages.ts";
import { OwnSchemaDialect } from "./own-schema-dialect.ts";
import { ConnectionPool, withClient } from "./pool.ts";
import { PreparedQuery } from "./prepared-query.ts";

/** How to reach a database. */
export interface DatabaseOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  /** All tables are in it; see `schemaName`. */
  readonly schema: string;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  /** Default 8. */
  readonly maxConnections?: number | undefined;
  readonly logger: Logger;
}

/** A statement of the hot path: each connection parses and plans it once. */
export interface PreparedStatement {
  /** One text has one name in a database. */
  readonly name: string;
  /** Parameters are `$1`, `$2` …, each with a cast that says its type. */
  readonly text: string;
}

/** An open pool and the query builder on it. */
export interface Database<Tables> {
  readonly db: Kysely<Tables>;
  readonly schema: string;
  /** Runs a prepared statement in one round trip. Large values are not copied: their bytes are not to be changed before it is over. */
  prepared<Row extends object>(statement: PreparedStatement, values: readonly ParameterValue[]): Promise<readonly Row[]>;
  /**
   * Rows of a query by COPY in binary: bytea comes as it is, not as text of twice the size. COPY takes no parameters: values are written into `query`, so
   * they must be numbers. `read` makes a row of its fields, and copies what it keeps of them. On abort it rejects with `signal.reason` at once; the
   * connection goes back to the pool when the server has said all it had to say.
   */
  copyOut<Row>(
    query: string,
    read: (fields: CopyFields) => Row,
    options?: { readonly signal?: AbortSignal | undefined },
  ): Promise<readonly Row[]>;
  /** Throws STORE_UNAVAILABLE unless the database answers. */
  ping(): Promise<void>;
  /** Waits for queries under way, then closes. Twice is fine. */
  close(): Promise<void>;
}

/** Name of an app's schema: the namespace is a prefix, so that deployments share a database. Throws CONFIG_INVALID. */
export function schemaName(namespace: string, app: "broker" | "archive"): string {
  if (!/^[a-z][a-z0-9_]{0,39}$/.test(namespace)) {
    throw new WarrenError(
      "CONFIG_INVALID",
      `namespace ${JSON.stringify(namespace)} must be a lower-case letter, then up to 39 letters, digits or _`,
    );
  }
  return `${namespace}_${app}`;
}

/**
 * Opens a pool. Connects on first use: an unreachable database is an error of the first query, not of this call. Throws CONFIG_INVALID for a bad URL.
 *
 * Every wait is bounded: connecting, statements, locks, idle transactions, and a socket that does not answer. A connection on which a query ran out
 * of time is destroyed, never given back. Errors of idle connections are logged: without a listener they would end the process
 * (https://node-postgres.com/apis/pool#error).
 */
export function openDatabase<Tables>(options: DatabaseOptions): Database<Tables> {
  const { url, schema } = options;
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new WarrenError("CONFIG_INVALID", "the database URL must look like postgres://user:password@host:5432/database");
  }
  const pool = new ConnectionPool(options);
  const db = new Kysely<Tables>({ dialect: new OwnSchemaDialect({ pool }, schema) }).withSchema(schema);
  let closing: Promise<void> | undefined;
  return {
    db,
    schema,
    prepared: (statement, values) => withClient(pool, (client) => new PreparedQuery<never>(statement, values).run(client)),
    async copyOut(query, read, { signal } = {}) {
      signal?.throwIfAborted();
      const copied = withClient(pool, (client) => new CopyOut(query, read).run(client));
      return signal === undefined ? await copied : await untilAborted(copied, signal);
    },
    async ping() {
      try {
        await sql`select 1`.execute(db);
      } catch (error) {
        throw new WarrenError(
          "STORE_UNAVAILABLE",
          `the database does not answer (${error instanceof Error ? error.message : "no reason"})`,
          { cause: error },
        );
      }
    },
    close() {
      closing ??= db.destroy();
      return closing;
    },
  };
}

/** The outcome of what goes on whoever waits for it, unless the signal is first. */
function untilAborted<T>(going: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", abort, { once: true });
    void going.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}
