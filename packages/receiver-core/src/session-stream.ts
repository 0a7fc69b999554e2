import { Limits, WarrenError, type Offset, type Settled } from "@warren/protocol";
import type { AckCommand, Frame, ParkCommand, Session, StopReason } from "./subscription.ts";

/** What a session needs of its consumer, once it has one. */
export interface SessionTarget {
  pull(): void;
  ack(command: AckCommand): void;
  park(command: ParkCommand): Promise<Settled>;
  ping(): void;
  /** Last offset and side delivery sent; undefined before `opened`. */
  readonly sent: { readonly offset: Offset; readonly deliveryId: bigint } | undefined;
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
    this.#frames.push(frame.kind === "acked" ? this.#withWaiting(frame) : frame);
  }

  /** A newer `acked` stands for the one that waits, whose side deliveries are told with it. */
  #withWaiting(frame: Extract<Frame, { kind: "acked" }>): Frame {
    const waiting = this.#frames.find((each) => each.kind === "acked");
    this.#frames = this.#frames.filter((each) => each !== waiting);
    return waiting === undefined ? frame : { ...frame, deliveryIds: [...waiting.deliveryIds, ...frame.deliveryIds] };
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

  ack(command: AckCommand): void {
    const { target, sent } = this.#opened();
    const { upTo, ranges, deliveryIds } = command;
    if (ranges.length > Limits.ackRanges) throw invalid(`${ranges.length} ranges; at most ${Limits.ackRanges} in one ack`);
    if (upTo < 0n) throw invalid(`up_to_offset is ${upTo}; it must be 0 or more`);
    for (const { first, last } of ranges) if (first < 1n || last < first) throw invalid(`range ${first} to ${last} is none`);
    for (const offset of [upTo, ...ranges.map(({ last }) => last)]) checkSent(offset, sent.offset);
    for (const id of deliveryIds) if (id < 1n || id > sent.deliveryId) throw invalid(`side delivery ${id} was not sent`);
    target.ack(command);
  }

  async park(command: ParkCommand): Promise<Settled> {
    const { target, sent } = this.#opened();
    if ("offset" in command.what) {
      if (command.what.offset < 1n) throw invalid(`offset ${command.what.offset} is none; the first is 1`);
      checkSent(command.what.offset, sent.offset);
    }
    return target.park(command);
  }

  refuse(error: WarrenError, what?: ParkCommand["what"]): void {
    this.push({ kind: "refused", error, what });
  }

  #opened() {
    if (this.#ended !== undefined) throw new WarrenError("SESSION_CLOSED", "the session has ended; its acks are void, open again");
    const target = this.#target;
    const sent = target?.sent;
    if (target === undefined || sent === undefined) throw invalid("nothing was sent yet: wait for the frame `opened`");
    return { target, sent };
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

function checkSent(offset: Offset, sent: Offset): void {
  if (offset > sent) throw invalid(`offset ${offset} was not sent; the last one sent is ${sent}`);
}

function invalid(message: string): WarrenError {
  return new WarrenError("ACK_INVALID", message);
}
