import { connect, type Socket } from "node:net";

/** Types of HTTP/2 frames. RFC 9113, section 6. */
export const Http2Frames = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7 } as const;

/** A frame as it came. */
export interface Http2Frame {
  readonly type: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** A client that speaks HTTP/2 by hand, to do what no library would. */
export class RawHttp2 {
  /** Frames of the server, in order. */
  readonly frames: Http2Frame[] = [];
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);

  /** Connects to 127.0.0.1 and sends the preface with empty settings. */
  constructor(port: number) {
    this.#socket = connect(port, "127.0.0.1");
    this.closed = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    this.#socket.on("error", () => undefined);
    this.#socket.on("data", (chunk) => this.#read(chunk));
    this.#socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    this.send(Http2Frames.settings, 0, 0, Buffer.alloc(0));
  }

  /** Sends a frame. Flags of `headers`: 4 ends the headers, 1 the stream; of `data`: 1 ends the stream. */
  send(type: number, flags: number, stream: number, payload: Uint8Array): void {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head.writeUInt8(type, 3);
    head.writeUInt8(flags, 4);
    head.writeUInt32BE(stream, 5);
    this.#socket.write(Buffer.concat([head, payload]));
  }

  /** Begins a request that goes on; `more` headers after method, scheme, path and authority. */
  request(stream: number, method: string, path: string, more: Readonly<Record<string, string>> = {}, flags = 4): void {
    const all = { ":method": method, ":scheme": "http", ":path": path, ":authority": "x", ...more };
    this.send(Http2Frames.headers, flags, stream, encodeHeaders(Object.entries(all)));
  }

  /** Error code of the first RST_STREAM of a stream, or undefined. */
  resetOf(stream: number): number | undefined {
    return this.frames.find((frame) => frame.type === Http2Frames.reset && frame.stream === stream)?.payload.readUInt32BE(0);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk]);
    while (this.#bytes.length >= 9) {
      const length = this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < 9 + length) return;
      const payload = this.#bytes.subarray(9, 9 + length);
      this.frames.push({ type: this.#bytes.readUInt8(3), stream: this.#bytes.readUInt32BE(5), payload });
      this.#bytes = this.#bytes.subarray(9 + length);
    }
  }
}

/** HPACK without tables and Huffman codes: literal, never indexed, new name. Names and values below 127 bytes. */
function encodeHeaders(entries: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    entries.flatMap(([name, value]) => [Buffer.of(0x10, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]),
  );
}

/** A message of a gRPC or Connect stream: flags (1: compressed), length, bytes. `said`: the length it claims. */
export function envelope(flags: number, body: Uint8Array, said = body.length): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(said, 1);
  return Buffer.concat([head, body]);
}
