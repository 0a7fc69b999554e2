import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

/** Of a thread, as Linux has it: each has its own (https://man7.org/linux/man-pages/man2/setpriority.2.html, "C library/kernel differences"). */
const threads = "/proc/self/task";
/** A tenth of the share of another thread, and at once behind one that wakes up: they still get on where a machine is busy for long. */
const nice = 10;

/**
 * Puts V8's helper threads, which compile and collect garbage beside the program, behind everything else on the machine: they run for milliseconds, and events wait where they
 * have the core of a server that was woken for one (ADR-0020). Only on Linux; where it may not be it is not, and only slower. Twice is fine.
 */
export function yieldToWork(): void {
  for (const thread of helpers()) {
    try {
      setPriority(thread, nice);
    } catch {
      // It has a lower one already, or is gone.
    }
  }
}

function helpers(): readonly number[] {
  try {
    return readdirSync(threads)
      .filter((thread) => readFileSync(`${threads}/${thread}/comm`, "utf8").trim() === "V8Worker")
      .map(Number);
  } catch {
    // No Linux, or a thread that ended while it was looked at.
    return [];
  }
}
