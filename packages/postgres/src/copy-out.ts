import type { PoolClient, Submittable } from "pg";

/** Fields of a row as PostgreSQL sends them in binary; null is NULL. They are views of a buffer that is soon used again. */
export type CopyFields = readonly (Buffer | null)[];

/** What it uses of a connection of pg. */
interface Connection {
  query(text: string): void;
}

/** "PGCOPY\n\377\r\n\0", flags, and the length of an extension that no version has. https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.4.5 */
const headerBytes = 19;

/**
 * `COPY (query) TO STDOUT (FORMAT binary)` as a query of pg, which hands every message of it over in binary. Rows are read as they come: nothing is held but
 * what `read` makes of them.
 */
export class CopyOut<Row> implements Submittable {
  /** Set when it runs. */
  callback: (error: Error | null) => void = () => undefined;
  readonly #text: string;
  readonly #read: (fields: CopyFields) => Row;
  readonly #rows: Row[] = [];
  #begun = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(query: string, read: (fields: CopyFields) => Row) {
    this.#text = `copy (${query}) to stdout (format binary)`;
    this.#read = read;
  }

  /** Its rows. Rejects as a query of pg does, or with what `read` threw. */
  run(client: PoolClient): Promise<readonly Row[]> {
    return new Promise((resolve, reject) => {
      this.callback = (error) => {
        if (error !== null) reject(error);
        else if (this.#failure !== undefined) reject(this.#failure.error);
        else resolve(this.#rows);
      };
      client.query(this);
    });
  }

  submit(connection: unknown): void {
    (connection as Connection).query(this.#text);
  }

  /** Whole rows: the server never splits one. What follows a failure is only waited for, so that the connection stays sound. */
  handleCopyData({ chunk }: { readonly chunk: Buffer }): void {
    if (this.#failure !== undefined) return;
    try {
      const at = this.#begun ? 0 : headerBytes;
      this.#begun = true;
      this.#readRows(chunk, at);
    } catch (error) {
      this.#failure = { error };
    }
  }

  handleCommandComplete(): void {
    // Ready follows.
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleReadyForQuery(): void {
    this.callback(null);
  }

  #readRows(chunk: Buffer, from: number): void {
    let at = from;
    while (at < chunk.length) {
      const count = chunk.readInt16BE(at);
      at += 2;
      // The end.
      if (count < 0) return;
      const fields: (Buffer | null)[] = [];
      for (let i = 0; i < count; i += 1) {
        const length = chunk.readInt32BE(at);
        at += 4;
        fields.push(length < 0 ? null : chunk.subarray(at, at + length));
        if (length > 0) at += length;
      }
      this.#rows.push(this.#read(fields));
    }
  }
}
