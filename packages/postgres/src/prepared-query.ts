import pg, { type PoolClient } from "pg";
import { bindMessage, type ParameterValue } from "./bind-message.ts";
import type { PreparedStatement } from "./database.ts";

/** What it uses of a connection of pg (https://github.com/brianc/node-postgres/blob/master/packages/pg/lib/connection.js). */
interface Connection {
  readonly stream: { write(bytes: Uint8Array): boolean };
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  parse(statement: PreparedStatement): void;
  describe(portal: { readonly type: "P"; readonly name: string }): void;
  execute(portal: { readonly portal: string }): void;
  sync(): void;
}

/**
 * A named statement as a query of pg, whose large values are sent from where they are: pg copies all values into one buffer, which it makes anew whenever it has to
 * grow, and for a segment that was most of the garbage of an append.
 */
export class PreparedQuery<Row extends object> extends pg.Query {
  readonly #statement: PreparedStatement;
  readonly #values: readonly ParameterValue[];
  /** By it pg knows that it is prepared. */
  readonly name: string;
  /** Set when it runs. */
  callback: ((error: Error | null, result: { readonly rows: readonly Row[] }) => void) | undefined;

  constructor(statement: PreparedStatement, values: readonly ParameterValue[]) {
    // pg clones what it is given as an object, property by property: 8 us for each query of a broker that has little to do.
    super(statement.text);
    this.name = statement.name;
    this.#statement = statement;
    this.#values = values;
  }

  /** Its rows. Rejects as a query of pg does. */
  run(client: PoolClient): Promise<readonly Row[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Row[]>();
    this.callback = settler(resolve, reject);
    // A pool's client makes a promise of what pg gives back at once.
    Promise.resolve(client.query(this)).catch(reject);
    return promise;
  }

  /** Called by pg, between `cork` and `uncork`: everything leaves in one piece. */
  prepare(connection: Connection): void {
    const { name, text } = this.#statement;
    if (connection.parsedStatements[name] === undefined && connection.submittedNamedStatements[name] === undefined) {
      connection.parse(this.#statement);
      connection.submittedNamedStatements[name] = text;
    }
    for (const piece of bindMessage(name, this.#values)) connection.stream.write(piece);
    connection.describe({ type: "P", name: "" });
    connection.execute({ portal: "" });
    connection.sync();
  }
}

/** Holds nothing of the query, which holds it: see `AnswerWatch`. */
function settler<Row extends object>(resolve: (rows: readonly Row[]) => void, reject: (error: Error) => void) {
  return (error: Error | null, result: { readonly rows: readonly Row[] }): void => {
    if (error === null) resolve(result.rows);
    else reject(error);
  };
}
