import { must, silentLogger } from "@warren/protocol";
import { sql, type QueryExecutorProvider } from "kysely";
import { openDatabase, type Database } from "../database.ts";

/** A pool for a test. Closed by whoever opened it. */
export function openPool(url: string, maxConnections = 1, logger = silentLogger): Database<unknown> {
  return openDatabase({ url, schema: "public", applicationName: "test", maxConnections, logger });
}

/** The server's process of the connection that a pool lends next, or of one that is held: another process is another connection. */
export async function pidOf({ db }: { readonly db: QueryExecutorProvider }): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() pid`.execute(db);
  return must(rows[0], "a row").pid;
}

/** Fields of a row of COPY, in hex. */
export const texts = (fields: readonly (Buffer | null)[]): (string | null)[] => fields.map((field) => field?.toString("hex") ?? null);
