/** A timer that was started; `cancel` is safe to call at any time and more than once. */
export interface Timer {
  cancel(): void;
}

/** Time, as it is injected everywhere: tests and the simulator bring their own. */
export interface Clock {
  /** Milliseconds since an arbitrary moment; never goes back. For time-outs, leases and back-off. */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the wall clock; may jump. Only to be recorded or shown, never for a decision on order. */
  wallMs(): number;
  /** Calls `run` once, after `delayMs` at the earliest. Keeps the process alive until then, or until it is cancelled. */
  after(delayMs: number, run: () => void): Timer;
}

/** Makes ids that no one else makes. */
export interface IdSource {
  /** A new UUIDv7 in its text form. */
  uuid(): string;
}

/** Values of a log line. Offsets are written as strings; payloads never. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Where a package says what happens: a constant sentence, and fields. One line per transition, none per event. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger that adds `fields` to every line. */
  child(fields: LogFields): Logger;
}

/** A logger that says nothing. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
};

/** The real clock. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};
