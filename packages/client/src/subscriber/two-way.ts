import { constants, type ClientHttp2Stream, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from "node:http2";
import { create, fromBinary, toBinary, type MessageInitShape } from "@bufbuild/protobuf";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { createMethodUrl } from "@connectrpc/connect/protocol";
import { endStreamFlag, endStreamFromJson, requestHeader, validateResponseWithCompression } from "@connectrpc/connect/protocol-connect";
import { WarrenError } from "@warren/protocol";
import { FrameSchema, SubscribeRequestSchema, SubscriptionService, type Frame, type OpenSchema } from "@warren/protocol/v1";
import { EnvelopeReader, toEnvelope } from "./envelope.ts";
import { Outbox } from "./outbox.ts";
import type { OpenStream } from "./stream.ts";

const { subscribe } = SubscriptionService.method;
const kind = "bidi_streaming";
/** Frames that came and were not taken, before no more are read: one that is dealt with, and the next one. */
const waitingFrames = 2;

type Command = MessageInitShape<typeof SubscribeRequestSchema>;

/**
 * The two-way stream, for Node: commands go with the stream. It speaks the Connect protocol (https://connectrpc.com/docs/protocol) on a stream of HTTP/2 itself:
 * Connect's client hands every 16 KiB through seven async generators, and copies each message twice (ADR-0018).
 */
export function twoWay(baseUrl: string, sessions: Http2SessionManager): OpenStream {
  const { pathname } = new URL(createMethodUrl(baseUrl, subscribe));
  const headers = Object.fromEntries(requestHeader(kind, true, undefined, undefined, true));
  return (open, signal) => {
    const commands = new Commands(open);
    async function* responses(): AsyncGenerator<Frame> {
      const stream = await unlessAborted(sessions.request("POST", pathname, headers, {}), signal);
      const frames = new Frames(stream, signal, () => sessions.notifyResponseByteRead(stream));
      commands.goTo(stream);
      yield* frames.all();
    }
    return {
      responses: responses(),
      ...commands.outbox.commands,
      ping() {
        commands.ping();
      },
      end() {
        commands.end();
      },
    };
  };
}

/** What the subscriber says: first to open, then what waits, as fast as the stream takes it. */
class Commands {
  readonly outbox = new Outbox(() => this.#schedule());
  readonly #open: MessageInitShape<typeof OpenSchema>;
  #stream: ClientHttp2Stream | undefined;
  #ping = false;
  #ending = false;
  #scheduled = false;

  constructor(open: MessageInitShape<typeof OpenSchema>) {
    this.#open = open;
  }

  goTo(stream: ClientHttp2Stream): void {
    this.#stream = stream;
    stream.on("drain", () => this.#send());
    stream.write(encode({ command: { case: "open", value: this.#open } }));
    this.#schedule();
  }

  ping(): void {
    this.#ping = true;
    this.#schedule();
  }

  end(): void {
    this.#ending = true;
    this.#schedule();
  }

  /** What is said together is told together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    while (stream.writable && !stream.writableNeedDrain) {
      const next = this.#next();
      if (next !== undefined) stream.write(encode(next));
      else if (this.#ending) stream.end();
      else return;
    }
  }

  #next(): Command | undefined {
    const next = this.outbox.next();
    if (next !== undefined) return { command: "park" in next ? { case: "park", value: next.park } : { case: "ack", value: next.ack } };
    if (!this.#ping) return undefined;
    this.#ping = false;
    return { command: { case: "ping", value: {} } };
  }
}

/** The answers of one stream, from its headers to its end. */
class Frames {
  readonly #stream: ClientHttp2Stream;
  readonly #signal: AbortSignal;
  readonly #read: () => void;
  readonly #envelopes = new EnvelopeReader((flags, message) => this.#take(flags, message));
  #waiting: Frame[] = [];
  #wake: () => void = () => undefined;
  /** How it ended: without an error when the broker said so. */
  #end: { readonly error: unknown } | undefined;
  readonly #abort = (): void => {
    this.#waiting = [];
    this.#over(givenUp());
    this.#stream.close(constants.NGHTTP2_CANCEL);
  };

  /** `read` is called for all that comes. */
  constructor(stream: ClientHttp2Stream, signal: AbortSignal, read: () => void) {
    this.#stream = stream;
    this.#signal = signal;
    this.#read = read;
    signal.addEventListener("abort", this.#abort, { once: true });
    stream.on("response", (headers) => this.#try(() => check(headers)));
    stream.on("data", (piece: Uint8Array) => this.#try(() => this.#envelopes.read(piece)));
    stream.on("error", (error) => this.#over(error));
    // A broker that goes on listening ends only its own side.
    stream.on("end", () => this.#over(brokenOff(stream)));
    stream.on("close", () => this.#over(brokenOff(stream)));
  }

  /** All frames, in order. Throws what ended the stream, when it was not the broker's wish; what came before that comes first. Left early, the stream is cancelled. */
  async *all(): AsyncGenerator<Frame> {
    try {
      for (;;) {
        const frame = this.#waiting.shift();
        if (frame !== undefined) {
          yield frame;
        } else if (this.#end === undefined) {
          this.#stream.resume();
          await new Promise<void>((resolve) => (this.#wake = resolve));
        } else if (this.#end.error === undefined) {
          return;
        } else {
          throw this.#end.error;
        }
      }
    } finally {
      this.#signal.removeEventListener("abort", this.#abort);
      this.#stream.close(this.#end?.error === undefined ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
    }
  }

  #take(flags: number, message: Uint8Array): void {
    this.#read();
    if (flags === endStreamFlag) return this.#over(endStreamFromJson(message).error);
    if (flags !== 0) throw new WarrenError("TRANSPORT_UNAVAILABLE", `the broker sent a frame with flags ${flags}, which was not asked for`);
    this.#waiting.push(fromBinary(FrameSchema, message));
    if (this.#waiting.length >= waitingFrames) this.#stream.pause();
    this.#wake();
  }

  #try(run: () => void): void {
    if (this.#end !== undefined) return;
    try {
      run();
    } catch (error) {
      this.#over(error);
      this.#stream.close(constants.NGHTTP2_CANCEL);
    }
  }

  /** The first end counts. */
  #over(error: unknown): void {
    this.#end ??= { error };
    this.#wake();
  }
}

/** Throws for an answer that is no stream of the Connect protocol, as a proxy gives it. */
function check(answer: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
  const headers = new Headers();
  for (const name of ["content-type", "connect-content-encoding"]) if (answer[name] !== undefined) headers.set(name, String(answer[name]));
  validateResponseWithCompression(kind, [], true, answer[":status"] ?? 0, headers);
}

function brokenOff({ rstCode }: ClientHttp2Stream): WarrenError {
  return new WarrenError("TRANSPORT_UNAVAILABLE", `the stream broke off before its end (HTTP/2 code ${rstCode ?? 0})`);
}

function givenUp(): WarrenError {
  return new WarrenError("TRANSPORT_UNAVAILABLE", "the stream was given up");
}

/** A stream that comes too late is cancelled. */
async function unlessAborted(requesting: Promise<ClientHttp2Stream>, signal: AbortSignal): Promise<ClientHttp2Stream> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = (): void => {
    reject(givenUp());
    requesting.then(
      (stream) => stream.close(constants.NGHTTP2_CANCEL),
      () => undefined,
    );
  };
  signal.addEventListener("abort", abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([requesting, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

function encode(command: Command): Uint8Array {
  return toEnvelope(toBinary(SubscribeRequestSchema, create(SubscribeRequestSchema, command)));
}
