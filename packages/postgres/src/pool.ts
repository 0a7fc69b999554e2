import { Times, type Logger } from "@warren/protocol";
import pg from "pg";
import { AnswerWatch } from "./answer-watch.ts";
import type { DatabaseOptions } from "./database.ts";
import { IdleConnections } from "./idle-connections.ts";
import { keepMemory } from "./keep-memory.ts";
import { Places } from "./places.ts";
import { parserOf } from "./type-parsers.ts";

/** A connection, which pg can have hold the process or not (https://github.com/brianc/node-postgres/blob/master/packages/pg/lib/client.js). */
type Connection = pg.PoolClient & { ref(): void; unref(): void };

/**
 * Connections, as kysely and `withClient` want them: every wait is bounded, no broken one is lent again, and no lost one ends the process.
 */
export class ConnectionPool {
  /** Of what is sent as an object that submits itself; every other statement tells it by itself. */
  readonly answers = new AnswerWatch<pg.PoolClient>();
  readonly #pool: pg.Pool;
  readonly #places: Places;
  readonly #idle = new IdleConnections<Connection>((connection) => this.#giveUp(connection));
  readonly #broken = new WeakSet<pg.PoolClient>();
  /** How pg-pool has a connection back, which lends each once. */
  readonly #releases = new WeakMap<pg.PoolClient, (destroy: boolean) => void>();

  constructor({ url, maxConnections = 8, applicationName, logger }: DatabaseOptions) {
    this.#places = new Places(maxConnections);
    this.#pool = new pg.Pool({
      connectionString: url,
      max: maxConnections,
      application_name: applicationName,
      connectionTimeoutMillis: Times.databaseConnectMs,
      statement_timeout: Times.databaseStatementMs,
      lock_timeout: Times.databaseLockMs,
      idle_in_transaction_session_timeout: Times.databaseIdleInTransactionMs,
      keepAlive: true,
      types: { getTypeParser: parserOf },
      // It is waited for, though its type says nothing of it: pg-pool gives the connection to nobody before.
      onConnect: (client): unknown => prepareConnection(client as pg.PoolClient, this.answers, logger),
    });
    // Of one that breaks while it is told what it is first told: pg-pool ends it, and nobody has it yet.
    this.#pool.on("error", (error) => logger.debug("new database connection lost", { error: error.message }));
    this.#pool.on("connect", (client) => {
      client.on("error", (error) => {
        logger.debug("database connection lost", { error: error.message });
        this.#lost(client);
      });
      client.on("end", () => this.#lost(client));
      this.#guard(client);
    });
  }

  /** Lends a connection; `release` gives it back, once. Rejects as pg does when none can be made, or none comes back. */
  async connect(): Promise<pg.PoolClient> {
    await this.#places.take();
    const idle = this.#idle.take();
    if (idle !== undefined) return this.#lend(idle);
    try {
      const client = (await this.#pool.connect()) as Connection;
      this.#releases.set(client, client.release.bind(client));
      return this.#lend(client);
    } catch (error) {
      this.#places.giveBack();
      throw error;
    }
  }

  /** For kysely, which cancels queries by a connection of its own. */
  get options(): pg.PoolOptions {
    return this.#pool.options;
  }

  /** Waits for connections that are lent, then ends all. */
  end(): Promise<void> {
    const ended = this.#pool.end();
    this.#idle.close();
    return ended;
  }

  #lend(connection: Connection): Connection {
    connection.ref();
    let lent = true;
    connection.release = (error?: Error | boolean) => {
      if (!lent) throw new Error("a connection was given back twice");
      lent = false;
      // kysely passes false for a connection it finds sound.
      const sound = (error === undefined || error === false) && !this.#broken.has(connection);
      if (sound) {
        connection.unref();
        this.#idle.giveBack(connection);
      } else {
        this.#giveUp(connection);
      }
      this.#places.giveBack();
    };
    return connection;
  }

  #lost(client: pg.PoolClient): void {
    this.#broken.add(client);
    if (this.#idle.remove(client as Connection)) this.#giveUp(client);
  }

  #giveUp(client: pg.PoolClient): void {
    this.#releases.get(client)?.(true);
  }

  /**
   * kysely gives every client back as sound. A client whose query ran out of time still waits for an answer (https://github.com/brianc/node-postgres/issues/3399), so it
   * must be destroyed instead. Once for each client: what is wrapped at each turn wraps itself, and every query is dearer than the one before.
   */
  #guard(client: pg.PoolClient): void {
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    const guarded = async (...args: unknown[]): Promise<unknown> => {
      try {
        return await this.answers.during(client, async () => query(...args));
      } catch (error) {
        if (isBroken(error)) this.#broken.add(client);
        throw error;
      }
    };
    // What submits itself is given back at once.
    const submitOrGuard = (...args: unknown[]): unknown => (typeof args[0] === "object" ? query(...args) : guarded(...args));
    client.query = submitOrGuard as pg.PoolClient["query"];
  }
}

/** Lends a connection for one statement that submits itself. */
export async function withClient<T>(pool: ConnectionPool, use: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    const result = await pool.answers.during(client, () => use(client));
    client.release();
    return result;
  } catch (error) {
    client.release(isBroken(error));
    throw error;
  }
}

/**
 * What a connection is told before anybody has it. It is only faster for it, so one that refused is lent all the same. Rejects when it broke: then pg-pool ends it, and tells
 * who waits for it why.
 */
async function prepareConnection(client: pg.PoolClient, answers: AnswerWatch<pg.PoolClient>, logger: Logger): Promise<void> {
  try {
    await answers.during(client, () => client.query(keepMemory));
  } catch (error) {
    if (isBroken(error)) throw error;
    logger.debug("database connection does not keep its memory", { error: error instanceof Error ? error.message : String(error) });
  }
}

/** Whether a connection on which a query failed like this is no longer sound: it broke, or still waits for an answer. */
function isBroken(error: unknown): boolean {
  return !(error instanceof pg.DatabaseError) || error.code?.startsWith("57P") === true;
}
