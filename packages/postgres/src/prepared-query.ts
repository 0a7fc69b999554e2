import type { PoolClient, Submittable } from "pg";
import type { PreparedStatement } from "./database.ts";
import { executeMessages, type ParameterValue } from "./execute-messages.ts";
import { parserOf } from "./type-parsers.ts";

/** What it uses of a connection of pg (https://github.com/brianc/node-postgres/blob/master/packages/pg/lib/connection.js). */
interface Connection {
  readonly stream: { cork(): void; uncork(): void; write(bytes: Uint8Array): boolean };
  readonly parsedStatements: Readonly<Record<string, string | undefined>>;
  readonly submittedNamedStatements: Record<string, string | undefined>;
  parse(statement: PreparedStatement): void;
}

interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}

interface Column {
  readonly name: string;
  readonly parse: (text: string) => unknown;
}

/** Columns of the rows of statements, by name: what a connection has told once it is not asked again. */
const known = new WeakMap<Connection, Map<string, readonly Column[]>>();

/**
 * A named statement as a query of pg. Large values are sent from where they are: pg copies all values into one buffer, which it makes anew whenever it has to grow, and
 * for a segment that was most of the garbage of an append. And it asks for the columns of the rows once for each connection, where pg asks each time.
 */
export class PreparedQuery<Row extends object> implements Submittable {
  /** By these pg knows that it is prepared. */
  readonly name: string;
  readonly text: string;
  /** Set when it runs. */
  callback: (error: Error | null, rows: readonly Row[]) => void = () => undefined;
  readonly #values: readonly ParameterValue[];
  readonly #rows: Row[] = [];
  #connection: Connection | undefined;
  #columns: readonly Column[] | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor({ name, text }: PreparedStatement, values: readonly ParameterValue[]) {
    this.name = name;
    this.text = text;
    this.#values = values;
  }

  /** Its rows. Rejects as a query of pg does, or with what the parser of a type threw. */
  run(client: PoolClient): Promise<readonly Row[]> {
    const { promise, resolve, reject } = Promise.withResolvers<readonly Row[]>();
    this.callback = settler(resolve, reject);
    client.query(this);
    return promise;
  }

  /** Called by pg when it is this query's turn: everything leaves in one piece. What it gives back fails the query. */
  submit(to: unknown): Error | null {
    const connection = to as Connection;
    const { name, text } = this;
    const parsed = connection.parsedStatements[name] ?? connection.submittedNamedStatements[name];
    if (parsed !== undefined && parsed !== text) return new Error(`another statement is named ${JSON.stringify(name)}`);
    this.#connection = connection;
    this.#columns = known.get(connection)?.get(name);
    const pieces = executeMessages(name, this.#values, { describe: this.#columns === undefined });
    connection.stream.cork();
    if (parsed === undefined) {
      connection.parse({ name, text });
      connection.submittedNamedStatements[name] = text;
    }
    for (const piece of pieces) connection.stream.write(piece);
    connection.stream.uncork();
    return null;
  }

  /** Not called for a statement that gives no rows. */
  handleRowDescription({ fields }: RowDescription): void {
    this.#columns = fields.map(({ name, dataTypeID }) => ({ name, parse: parserOf(dataTypeID) }));
  }

  /** What follows a failure is only waited for, so that the connection stays sound. */
  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    if (this.#failure !== undefined) return;
    const row: Record<string, unknown> = {};
    try {
      for (const [index, { name, parse }] of (this.#columns ?? []).entries()) {
        const text = fields[index] ?? null;
        row[name] = text === null ? null : parse(text);
      }
      this.#rows.push(row as Row);
    } catch (error) {
      this.#failure = { error };
    }
  }

  handleCommandComplete(): void {
    // Ready follows.
  }

  handleError(error: Error): void {
    this.callback(error, []);
  }

  handleReadyForQuery(): void {
    this.#remember();
    if (this.#failure === undefined) this.callback(null, this.#rows);
    else this.callback(this.#failure.error as Error, []);
  }

  #remember(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const columns = known.get(connection) ?? new Map<string, readonly Column[]>();
    known.set(connection, columns);
    if (!columns.has(this.name)) columns.set(this.name, this.#columns ?? []);
  }
}

/** Holds nothing of the query, which holds it: see `AnswerWatch`. */
function settler<Row extends object>(resolve: (rows: readonly Row[]) => void, reject: (error: Error) => void) {
  return (error: Error | null, rows: readonly Row[]): void => {
    if (error === null) resolve(rows);
    else reject(error);
  };
}
