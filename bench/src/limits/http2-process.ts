import { connect, createServer, type ServerHttp2Stream } from "node:http2";
import { answer } from "../harness/child.ts";
import { machineMs } from "../harness/clock.ts";

/** Sends the same bytes again and again on streams of HTTP/2, or counts those that come: nothing is encoded or decoded. */

const settings = { initialWindowSize: 4 * 1024 * 1024 };
const connectionWindow = 16 * 1024 * 1024;

answer({
  /** Serves on a port: to whoever asks, a buffer so many times. */
  async serve({ port, body, times }: { readonly port: number; readonly body: Uint8Array; readonly times: number }) {
    const frame = Buffer.from(body);
    const server = createServer({ settings });
    server.on("session", (session) => session.setLocalWindowSize(connectionWindow));
    server.on("stream", (stream) => {
      stream.respond({ ":status": 200 });
      void pour(stream, frame, times);
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  },
  /** Reads on so many connections; resolves with how long that took, in seconds. */
  async read({ port, clients, bytes }: { readonly port: number; readonly clients: number; readonly bytes: number }) {
    const began = machineMs();
    await Promise.all(Array.from({ length: clients }, () => readOne(port, bytes)));
    return (machineMs() - began) / 1000;
  },
});

async function pour(stream: ServerHttp2Stream, frame: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    if (!stream.write(frame)) await new Promise<void>((resolve) => stream.once("drain", resolve));
  }
  stream.end();
}

function readOne(port: number, bytes: number): Promise<void> {
  const session = connect(`http://127.0.0.1:${port}`, { settings });
  session.once("connect", () => session.setLocalWindowSize(connectionWindow));
  return new Promise((resolve, reject) => {
    let read = 0;
    const stream = session.request({ ":path": "/" });
    stream.on("data", (chunk: Buffer) => (read += chunk.length));
    stream.once("error", reject);
    stream.once("end", () => {
      session.close();
      if (read === bytes) resolve();
      else reject(new Error(`${read} bytes came instead of ${bytes}`));
    });
  });
}
