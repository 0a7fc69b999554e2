import { readFileSync } from "node:fs";

const tickMs = 5;
/** What was not used may be used later, but not more than this of it at once, in milliseconds of CPU. */
const saved = 10;

/** CPU that the main thread of a process has used, in milliseconds; finer than the kernel's ticks. */
const usedMs = (pid: number): number => Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;

/**
 * Holds each of these processes to a part of a core, by SIGSTOP and SIGCONT: so that it is the wall, on a machine that would else be full before it is. Returns the
 * function that lets them go.
 */
export function holdTo(part: number, pids: readonly number[]): () => void {
  const held = pids.map((pid) => ({ pid, allowed: 0, used: usedMs(pid), stopped: false }));
  let last = performance.now();
  const timer = setInterval(() => {
    const now = performance.now();
    for (const each of held) {
      const used = usedMs(each.pid);
      each.allowed = Math.min(saved, each.allowed + (now - last) * part - (used - each.used));
      each.used = used;
      const stop = each.allowed < 0;
      if (stop !== each.stopped) process.kill(each.pid, stop ? "SIGSTOP" : "SIGCONT");
      each.stopped = stop;
    }
    last = now;
  }, tickMs);
  return () => {
    clearInterval(timer);
    for (const { pid, stopped } of held) if (stopped) process.kill(pid, "SIGCONT");
  };
}
