import { WarrenError, type Offset } from "@warren/protocol";
import type { Frame, Session, StopReason } from "./subscription.ts";

/** What a session needs of its consumer, once it has one. */
export interface SessionTarget {
  pull(): void;
  ack(upTo: Offset): void;
  ping(): void;
  /** Last offset sent; undefined before `opened`. */
  readonly sentOffset: Offset | undefined;
}

/** What the stream needs of its owner. */
export interface SessionOwner {
  stop(reason: StopReason): void;
}

type Waiting = { readonly resolve: (result: IteratorResult<Frame>) => void; readonly reject: (error: unknown) => void };

/**
 * The subscriber's end of a session: an async iterator of frames. Asking for a frame is a wish; the consumer's machine makes at most
 * one frame of events per wish. Frames that come unasked (acked, standby) wait here; a newer `acked` replaces an older one.
 */
export class SessionStream implements Session, AsyncIterableIterator<Frame> {
  readonly sessionId: string;
  readonly #owner: SessionOwner;
  readonly #abort = new AbortController();
  #target: SessionTarget | undefined;
  #frames: Frame[] = [];
  #waiting: Waiting | undefined;
  #ended: { readonly error: WarrenError | undefined } | undefined;

  constructor(sessionId: string, owner: SessionOwner) {
    this.sessionId = sessionId;
    this.#owner = owner;
  }

  /** Aborts when the session ends, for whatever is done on its behalf. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  /** Its consumer is ready for it; a wish that waits is passed on. */
  attach(target: SessionTarget): void {
    this.#target = target;
    if (this.#waiting !== undefined) target.pull();
  }

  /** Gives a frame to the subscriber. After the end: nothing. */
  push(frame: Frame): void {
    if (this.#ended !== undefined) return;
    const waiting = this.#waiting;
    if (waiting !== undefined) {
      this.#waiting = undefined;
      waiting.resolve({ done: false, value: frame });
      return;
    }
    if (frame.kind === "acked") this.#frames = this.#frames.filter(({ kind }) => kind !== "acked");
    this.#frames.push(frame);
  }

  /** No frame follows those that wait. Twice: the first one counts. */
  end(error: WarrenError | undefined): void {
    if (this.#ended !== undefined) return;
    this.#ended = { error };
    this.#abort.abort(error ?? new WarrenError("SESSION_CLOSED", "the session was ended by its subscriber"));
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }

  frames(): AsyncIterableIterator<Frame> {
    return this;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Frame>> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve({ done: false, value: frame });
    if (this.#ended !== undefined) {
      const { error } = this.#ended;
      this.#ended = { error: undefined };
      return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
    }
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Frame>>();
    this.#waiting = { resolve, reject };
    this.#target?.pull();
    return promise;
  }

  return(): Promise<IteratorResult<Frame>> {
    this.stop("stream-ended");
    return Promise.resolve({ done: true, value: undefined });
  }

  ack(upToOffset: Offset): void {
    if (this.#ended !== undefined) throw new WarrenError("SESSION_CLOSED", "the session has ended; its acks are void, open again");
    const sent = this.#target?.sentOffset;
    if (sent === undefined) throw new WarrenError("ACK_INVALID", "nothing to ack: wait for the frame `opened`");
    if (upToOffset > sent) throw new WarrenError("ACK_INVALID", `offset ${upToOffset} was not sent; the last one sent is ${sent}`);
    this.#target?.ack(upToOffset);
  }

  ping(): void {
    this.#target?.ping();
  }

  stop(reason: StopReason): void {
    if (this.#ended !== undefined) return;
    this.#owner.stop(reason);
    this.end(undefined);
  }
}
