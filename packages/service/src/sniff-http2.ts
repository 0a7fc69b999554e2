import type { Socket } from "node:net";

const preface = Buffer.from("PRI * HTTP/2.0");

/** Reads the first bytes of a connection, gives them back, and says whether they begin HTTP/2. A socket that has not said so within `silentMs` is destroyed. */
export function sniffHttp2(socket: Socket, decide: (isHttp2: boolean) => void, silentMs: number): void {
  let seen: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), silentMs);
  socket.on("close", () => clearTimeout(timer));
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    seen = Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, preface.length);
    const matches = seen.subarray(0, length).equals(preface.subarray(0, length));
    if (matches && seen.length < preface.length) return;
    clearTimeout(timer);
    socket.removeListener("readable", onReadable);
    socket.unshift(seen);
    decide(matches);
  };
  socket.on("readable", onReadable);
}
