import { execFile } from "node:child_process";
import { cpus, freemem } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const pieceBytes = 128 * 1024 * 1024;
const everyMs = 200;
/** What servers that wait need together is less. */
const busyPart = 0.1;
/** A machine that has other work is not waited for any longer. */
const mostMs = 20_000;

/**
 * Resolves when the machine is at rest: it has written to disk what it keeps in memory to be written, and no server works any more at what it was left with. What one
 * contestant leaves behind (pages, a vacuum that takes a core for seconds) is not work of the next one.
 *
 * `touchBytes`: so much memory is used and given back, at most a quarter of what is free. A virtual machine gives free memory back to its host, and gets it again page by
 * page when somebody writes to it: that made a message that is written to a file up to three times as dear, in some turns and not in others.
 */
export async function settleMachine(touchBytes: number): Promise<void> {
  await run("sync");
  const pieces = Math.floor(Math.min(touchBytes, freemem() / 4) / pieceBytes);
  // A process of its own gives all of it back at once.
  if (pieces > 0)
    await run(process.execPath, ["--eval", `globalThis.kept = Array.from({ length: ${pieces} }, () => Buffer.alloc(${pieceBytes}, 1))`]);
  let before = cpuTimes();
  for (const endAt = performance.now() + mostMs; performance.now() < endAt;) {
    await delay(everyMs);
    const now = cpuTimes();
    if (now.busy - before.busy < busyPart * (now.all - before.all)) return;
    before = now;
  }
}

/** Of all cores, since the machine was started. */
function cpuTimes(): { readonly busy: number; readonly all: number } {
  const sums = cpus().map(({ times: { user, nice, sys, idle, irq } }) => ({ busy: user + nice + sys + irq, idle }));
  const busy = sums.reduce((sum, each) => sum + each.busy, 0);
  return { busy, all: busy + sums.reduce((sum, each) => sum + each.idle, 0) };
}
