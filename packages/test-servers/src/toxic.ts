/** Which way bytes go through a proxy: to the server, to the client, or either. */
export type Direction = "to-server" | "to-client" | "both";

/** What is done to the bytes of a direction, as toxiproxy names it; of one kind there is one at a time. Times in milliseconds. */
export type Toxic =
  /** Each chunk comes so much later, more or less by up to `jitterMs` (default 0), and never before the one before it. */
  | { readonly kind: "latency"; readonly ms: number; readonly jitterMs?: number }
  | { readonly kind: "bandwidth"; readonly bytesPerSecond: number }
  /** Chunks are cut into so small ones, with a rest of `delayMs` (default 0: one turn of the event loop) after each. */
  | { readonly kind: "slice"; readonly bytes: number; readonly delayMs?: number }
  /** A connection ends after so many bytes more, wherever that is in a frame. */
  | { readonly kind: "limit"; readonly bytes: number }
  /** Bytes are taken, and never come. */
  | { readonly kind: "black-hole" }
  /** An end is told so much later. */
  | { readonly kind: "slow-close"; readonly ms: number };

/** The toxics of one direction, for all connections of a proxy. */
export class Toxics {
  readonly #toxics = new Map<Toxic["kind"], Toxic>();
  readonly #waiting = new Set<() => void>();
  /** Grows when the limit is set: connections count anew. */
  limits = 0;

  set(toxic: Toxic): void {
    this.#toxics.set(toxic.kind, toxic);
    if (toxic.kind === "limit") this.limits += 1;
  }

  get<K extends Toxic["kind"]>(kind: K): Extract<Toxic, { kind: K }> | undefined {
    return this.#toxics.get(kind) as Extract<Toxic, { kind: K }> | undefined;
  }

  /** Removes one, or all; what waits because of them goes on at once. */
  clear(kind?: Toxic["kind"]): void {
    if (kind === undefined) this.#toxics.clear();
    else this.#toxics.delete(kind);
    for (const wake of this.#waiting) wake();
  }

  /** Resolves after so long, or when toxics are removed. */
  rest(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      // A proxy that holds bytes back keeps no process alive; its sockets do.
      timer.unref();
      this.#waiting.add(wake);
    });
  }
}
