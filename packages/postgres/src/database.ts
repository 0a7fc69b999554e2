import { Times, WarrenError, type Logger } from "@warren/protocol";
import { Kysely, sql } from "kysely";
import pg from "pg";
import { OwnSchemaDialect } from "./own-schema-dialect.ts";

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

/** An open pool and the query builder on it. */
export interface Database<Tables> {
  readonly db: Kysely<Tables>;
  readonly schema: string;
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
  const { url, schema, applicationName, logger } = options;
  if (!/^postgres(ql)?:\/\//.test(url) || !URL.canParse(url)) {
    throw new WarrenError("CONFIG_INVALID", "the database URL must look like postgres://user:password@host:5432/database");
  }
  const pool = new pg.Pool({
    connectionString: url,
    max: options.maxConnections ?? 8,
    application_name: applicationName,
    connectionTimeoutMillis: Times.databaseConnectMs,
    statement_timeout: Times.databaseStatementMs,
    lock_timeout: Times.databaseLockMs,
    idle_in_transaction_session_timeout: Times.databaseIdleInTransactionMs,
    query_timeout: Times.databaseSocketMs,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    types: { getTypeParser: typeParser },
  });
  pool.on("error", (error) => logger.debug("idle database connection lost", { error: error.message }));
  pool.on("connect", (client) => {
    client.on("error", (error) => logger.debug("database connection lost", { error: error.message }));
  });
  const db = new Kysely<Tables>({ dialect: new OwnSchemaDialect({ pool: destroyBroken(pool) }, schema) }).withSchema(schema);
  let closing: Promise<void> | undefined;
  return {
    db,
    schema,
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

/** bigint for int8, the default for the rest. Offsets are int8 and pass 2^53 in principle. */
/** OID of int8 in pg_type. */
const int8 = 20;

function typeParser(oid: number, format?: string): unknown {
  if (oid === int8 && format !== "binary") return BigInt;
  return (pg.types.getTypeParser as (oid: number, format: string) => unknown)(oid, format === "binary" ? "binary" : "text");
}

/**
 * kysely gives every client back to the pool as sound. A client whose query ran out of time still waits for an answer
 * (https://github.com/brianc/node-postgres/issues/3399), so it must be destroyed instead.
 */
function destroyBroken(pool: pg.Pool): pg.Pool {
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const wrapped = async (): Promise<pg.PoolClient> => {
    const client = await connect();
    let broken = false;
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const release = client.release.bind(client);
    const guarded = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await query(...args);
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || error.code?.startsWith("57P") === true) broken = true;
        throw error;
      }
    };
    client.query = guarded as pg.PoolClient["query"];
    client.release = (error?: Error | boolean) => {
      client.query = query as pg.PoolClient["query"];
      client.release = release;
      // kysely passes false for a client it finds sound.
      release(error === undefined || error === false ? broken : error);
    };
    return client;
  };
  pool.connect = wrapped as pg.Pool["connect"];
  return pool;
}
