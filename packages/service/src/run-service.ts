import { collectLessOften } from "./collect-less-often.ts";
import { isWarrenError, Times, type Logger } from "@warren/protocol";
import { yieldToWork } from "./yield-to-work.ts";

/** An app as a process. */
export interface Runnable {
  /** Resolves when it serves. */
  start(signal: AbortSignal): Promise<void>;
  /** Resolves when everything is saved and closed. */
  drain(): Promise<void>;
}

/** Exit code of a wrong configuration: EX_CONFIG of sysexits.h. */
const configExit = 78;

/**
 * Runs an app until SIGTERM or SIGINT, then drains it and exits 0; a second signal, or a drain that takes too long, exits 1. A wrong configuration exits 78, with
 * the message on standard error. An unexpected exception is logged and exits 1: a process in an unknown state must not go on.
 */
export async function runService(open: () => Promise<{ readonly app: Runnable; readonly logger: Logger }>): Promise<void> {
  collectLessOften();
  yieldToWork();
  const abort = new AbortController();
  let logger: Logger | undefined;
  const fail = (error: unknown): never => {
    const text = error instanceof Error ? error.message : String(error);
    if (logger === undefined || isWarrenError(error)) process.stderr.write(`${text}\n`);
    else logger.error("the process ends", { error });
    process.exit(isWarrenError(error, "CONFIG_INVALID") || isWarrenError(error, "ADDRESS_IN_USE") ? configExit : 1);
  };
  process.on("uncaughtException", fail);
  process.on("unhandledRejection", fail);
  try {
    const opened = await open();
    logger = opened.logger;
    const { app } = opened;
    let stopping = false;
    const stop = (signal: NodeJS.Signals): void => {
      if (stopping) process.exit(1);
      stopping = true;
      logger?.info("draining", { signal });
      abort.abort(new Error(`stopped by ${signal}`));
      setTimeout(() => process.exit(1), Times.drainMs + 2_000).unref();
      app.drain().then(() => process.exit(0), fail);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    await app.start(abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) fail(error);
  }
}
