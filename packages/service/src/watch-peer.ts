import type { ServerHttp2Session } from "node:http2";
import { Times } from "@warren/protocol";

/** Pings a peer, and ends the session when it does not answer: nothing else notices a peer that is gone without a word. */
export function watchPeer(session: ServerHttp2Session): void {
  const timer = setInterval(() => {
    if (session.destroyed || session.closed) return;
    const late = setTimeout(() => session.destroy(), Times.http2PingTimeoutMs);
    const sent = session.ping((error) => {
      clearTimeout(late);
      if (error !== null) session.destroy();
    });
    if (!sent) clearTimeout(late);
  }, Times.http2PingMs);
  session.on("close", () => clearInterval(timer));
}
