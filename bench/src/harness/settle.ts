import { execFile } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";

const everyMs = 200;
/** What servers that wait need together is less. */
const busyPart = 0.1;
/** A machine that has other work is not waited for any longer. */
const mostMs = 20_000;

/**
 * Resolves when the machine is at rest: it has written to disk what it keeps in memory to be written, and no server works any more at what it was left with. What one
 * contestant leaves behind (pages, a vacuum that takes a core for seconds) is not work of the next one.
 */
export async function settleMachine(): Promise<void> {
  await promisify(execFile)("sync");
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
