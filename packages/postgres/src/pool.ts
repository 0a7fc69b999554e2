import { Times, type Logger } from "@warren/protocol";
import pg from "pg";
import { AnswerWatch } from "./answer-watch.ts";
import type { DatabaseOptions } from "./database.ts";
import { keepMemory } from "./keep-memory.ts";
import { Places } from "./places.ts";
import { parserOf } from "./type-parsers.ts";

/** A pool, and the watch over its connections. */
export interface WatchedPool {
  readonly pool: pg.Pool;
  /** Of what is sent as an object that submits itself; every other statement tells it by itself. */
  readonly answers: AnswerWatch<pg.PoolClient>;
}

/**
 * A pool in which every wait is bounded, no broken connection is given back, and no lost one ends the process.
 */
export function openPool({ url, maxConnections = 8, applicationName, logger }: DatabaseOptions): WatchedPool {
  const answers = new AnswerWatch<pg.PoolClient>();
  const pool = new pg.Pool({
    connectionString: url,
    max: maxConnections,
    application_name: applicationName,
    connectionTimeoutMillis: Times.databaseConnectMs,
    statement_timeout: Times.databaseStatementMs,
    lock_timeout: Times.databaseLockMs,
    idle_in_transaction_session_timeout: Times.databaseIdleInTransactionMs,
    keepAlive: true,
    idleTimeoutMillis: 30_000,
    allowExitOnIdle: true,
    types: { getTypeParser: parserOf },
    // It is waited for, though its type says nothing of it: pg-pool gives the connection to nobody before.
    onConnect: (client): unknown => prepareConnection(client as pg.PoolClient, answers, logger),
  });
  pool.on("error", (error) => logger.debug("idle database connection lost", { error: error.message }));
  pool.on("connect", (client) => {
    client.on("error", (error) => logger.debug("database connection lost", { error: error.message }));
  });
  pool.on("remove", (client) => answers.remove(client));
  return { pool: destroyBroken(pool, new Places(maxConnections), answers), answers };
}

/**
 * What a connection is told before anybody has it. It is only faster for it, so a connection that was not told is lent all the same; one that broke by it fails for
 * who has it, who gives it up as any other.
 */
async function prepareConnection(client: pg.PoolClient, answers: AnswerWatch<pg.PoolClient>, logger: Logger): Promise<void> {
  answers.add(client);
  try {
    await answers.during(client, () => client.query(keepMemory));
  } catch (error) {
    logger.debug("database connection does not keep its memory", { error: error instanceof Error ? error.message : String(error) });
  }
}

/** Lends a connection for one statement that submits itself. */
export async function withClient<T>({ pool, answers }: WatchedPool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const result = await answers.during(client, () => use(client));
    client.release();
    return result;
  } catch (error) {
    client.release(isBroken(error));
    throw error;
  }
}

/** Whether a connection on which a query failed like this is no longer sound: it broke, or still waits for an answer. */
function isBroken(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code?.startsWith("57P") === true;
}

/**
 * kysely gives every client back to the pool as sound. A client whose query ran out of time still waits for an answer
 * (https://github.com/brianc/node-postgres/issues/3399), so it must be destroyed instead. Clients wait for their
 * turn here, not in the pool.
 */
function destroyBroken(pool: pg.Pool, places: Places, answers: AnswerWatch<pg.PoolClient>): pg.Pool {
  const broken = new WeakSet<pg.PoolClient>();
  // Once for each client: what is wrapped at each turn wraps itself, and every query is dearer than the one before.
  pool.on("connect", (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const guarded = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await answers.during(client, async () => query(...args));
      } catch (error) {
        if (isBroken(error)) broken.add(client);
        throw error;
      }
    };
    // What submits itself is given back at once.
    const submitOrGuard = (...args: unknown[]): unknown => (typeof args[0] === "object" ? query(...args) : guarded(...args));
    client.query = submitOrGuard as pg.PoolClient["query"];
  });
  const connect = pool.connect.bind(pool) as () => Promise<pg.PoolClient>;
  const wrapped = async (): Promise<pg.PoolClient> => {
    await places.take();
    const client = await connect().catch((error: unknown) => {
      places.giveBack();
      throw error;
    });
    // The pool gives a client a new one at each turn.
    const release = client.release.bind(client);
    client.release = (error?: Error | boolean) => {
      // kysely passes false for a client it finds sound.
      release(error === undefined || error === false ? broken.has(client) : error);
      places.giveBack();
    };
    return client;
  };
  pool.connect = wrapped as pg.Pool["connect"];
  return pool;
}
