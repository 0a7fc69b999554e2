import type { ServerHttp2Session } from "node:http2";
import { Times } from "@warren/protocol";

/** How often a peer is pinged, and how long its answer may take, in milliseconds. */
export interface PingTimes {
  readonly everyMs: number;
  readonly timeoutMs: number;
}

const defaultPing: PingTimes = { everyMs: Times.http2PingMs, timeoutMs: Times.http2PingTimeoutMs };

/** Pings a peer, and ends the session when it does not answer: nothing else notices a peer that is gone without a word. */
export function watchPeer(session: ServerHttp2Session, { everyMs, timeoutMs }: PingTimes = defaultPing): void {
  const timer = setInterval(() => {
    // Also one that takes no new calls (GOAWAY was sent): a stream under way is still somebody's.
    if (session.destroyed) return;
    const late = setTimeout(() => session.destroy(), timeoutMs);
    const sent = session.ping((error) => {
      clearTimeout(late);
      if (error !== null) session.destroy();
    });
    if (!sent) clearTimeout(late);
  }, everyMs);
  session.on("close", () => clearInterval(timer));
}
