import type { ServerHttp2Session } from "node:http2";
import type { Socket } from "node:net";
import { Limits, Times } from "@warren/protocol";

/** What one client, and all of them, may hold open without using it. Times in milliseconds. */
export interface ConnectionLimits {
  /** Connections at a time; more are closed at once. */
  readonly total: number;
  /** Connections of one address at a time; more are closed at once. A proxy is one address. */
  readonly perAddress: number;
  /** Until a connection has said which HTTP it speaks. */
  readonly prefaceMs: number;
  /** Until an HTTP/2 session has begun its first call. */
  readonly firstRequestMs: number;
  /** An HTTP/2 session without a call for so long is ended. */
  readonly idleMs: number;
  /** After so long, give or take a tenth, an HTTP/2 session takes no new calls. Calls under way end by themselves, whenever that is: none is cut. */
  readonly maxAgeMs: number;
}

/** The limits of a server that is told no others. */
export const defaultConnectionLimits: ConnectionLimits = {
  total: Limits.connections,
  perAddress: Limits.connectionsPerAddress,
  prefaceMs: Times.connectionPrefaceMs,
  firstRequestMs: Times.connectionFirstRequestMs,
  idleMs: Times.connectionIdleMs,
  maxAgeMs: Times.connectionMaxAgeMs,
};

/** Counts connections by address. */
export class AddressCounter {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  /** Whether one more connection of its address may be had; it is counted until it closes. */
  admit(socket: Socket): boolean {
    const address = socket.remoteAddress ?? "";
    const count = this.#counts.get(address) ?? 0;
    if (count >= this.#most) return false;
    this.#counts.set(address, count + 1);
    socket.once("close", () => {
      const left = (this.#counts.get(address) ?? 1) - 1;
      if (left === 0) this.#counts.delete(address);
      else this.#counts.set(address, left);
    });
    return true;
  }
}

/** Ends an HTTP/2 session that begins no call in time, or has none for too long, and retires it when it is old. `random` spreads the ages, so that not all return at once. */
export function limitSession(session: ServerHttp2Session, limits: ConnectionLimits, random: () => number): void {
  let calls = 0;
  const first = setTimeout(() => session.destroy(), limits.firstRequestMs);
  let idle: NodeJS.Timeout | undefined;
  // GOAWAY: the client opens another session for its next call; streams under way go on here until they end.
  const age = setTimeout(() => session.close(), limits.maxAgeMs * (0.9 + 0.2 * random()));
  session.on("stream", (stream) => {
    calls += 1;
    clearTimeout(first);
    clearTimeout(idle);
    stream.once("close", () => {
      calls -= 1;
      if (calls === 0 && !session.destroyed) idle = setTimeout(() => session.close(), limits.idleMs);
    });
  });
  session.once("close", () => {
    for (const timer of [first, idle, age]) clearTimeout(timer);
  });
}
