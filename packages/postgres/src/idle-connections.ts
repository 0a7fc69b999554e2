/** A connection that nobody has at the moment. */
interface Idle<Connection> {
  readonly connection: Connection;
  /** How many looks there had been when it was given back. */
  readonly since: number;
}

/** How often it looks for what was not lent since the look before, in milliseconds. */
const lookMs = 15_000;

/**
 * Connections at hand, to be lent again. pg-pool has such too, but each turn costs it two timers, a tick and listeners that come and go, which at 1,000
 * events/s is a good part of what the broker does (ADR-0021).
 */
export class IdleConnections<Connection> {
  readonly #end: (connection: Connection) => void;
  #idle: Idle<Connection>[] = [];
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `end` ends a connection that was not lent for 15 to 30 s, and each that is given back or at hand when it is closed. */
  constructor(end: (connection: Connection) => void) {
    this.#end = end;
  }

  /** The one that was lent last, whose process of PostgreSQL has in its caches what it needs; undefined: none is at hand. */
  take(): Connection | undefined {
    return this.#idle.pop()?.connection;
  }

  giveBack(connection: Connection): void {
    if (this.#closed) return this.#end(connection);
    this.#idle.push({ connection, since: this.#looks });
    this.#timer ??= setTimeout(() => this.#look(), lookMs).unref();
  }

  /** It broke: it is lent no more. False: it was not at hand. */
  remove(connection: Connection): boolean {
    const before = this.#idle.length;
    this.#idle = this.#idle.filter((idle) => idle.connection !== connection);
    return this.#idle.length < before;
  }

  /** Twice is fine. */
  close(): void {
    this.#closed = true;
    this.#endAll(() => true);
    clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = undefined;
    this.#endAll(({ since }) => since < this.#looks);
    this.#looks += 1;
    if (this.#idle.length > 0) this.#timer = setTimeout(() => this.#look(), lookMs).unref();
  }

  #endAll(which: (idle: Idle<Connection>) => boolean): void {
    const ended = this.#idle.filter(which);
    this.#idle = this.#idle.filter((idle) => !which(idle));
    for (const { connection } of ended) this.#end(connection);
  }
}
