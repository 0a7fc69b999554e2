import { Worker } from "node:worker_threads";
import type { Job, Told } from "./job.ts";
import { root } from "../../patching/patch.ts";

/** How long after its time a worker may still be at its last run, or shrink one. */
const graceMs = 120_000;

/** Built, also when this file is not: what is patched are built files. */
const workerFile = new URL("packages/testkit/dist/simulation/command/worker.js", root);

/**
 * Runs a job in a worker thread, until it ends. Rejects when the job cannot run at all, with what the worker threw; a job that does not end, or takes all
 * memory, is ended and told as a violation of the seed it began with.
 */
export async function runWorker(job: Job, onTold: (told: Told) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  // Without the options of this process: they may lead to sources.
  const worker = new Worker(workerFile, { workerData: job, execArgv: [], resourceLimits: { maxOldGenerationSizeMb: 1024 } });
  let violated = false;
  const heard = (told: Told): void => {
    violated ||= told.kind === "violation";
    onTold(told);
  };
  const hung = (text: string): void => onTold({ kind: "violation", seed: job.seed, text });
  const timer = setTimeout(
    () => {
      // After a violation it is still shrinking.
      if (!violated) hung("a run does not end");
      void worker.terminate();
    },
    job.seconds * 1000 + (job.shrink ? graceMs : graceMs / 10),
  );
  worker.on("message", heard);
  worker.on("error", (error) => {
    if ("code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY") hung("a run takes all memory");
    else reject(error);
  });
  worker.on("exit", () => {
    clearTimeout(timer);
    resolve();
  });
  return promise;
}
