import { readdirSync, readFileSync } from "node:fs";
import { setPriority } from "node:os";

/** Of a thread, as Linux has it: each has its own (https://man7.org/linux/man-pages/man2/setpriority.2.html, "C library/kernel differences"). */
const threads = "/proc/self/task";
/** A tenth of the share of another thread: they still get on where a machine is busy for long. */
const nice = 10;

/**
 * Puts V8's helper threads, which compile and collect garbage beside the program for milliseconds at a time, behind the program's own thread and all others that the kernel
 * weighs with it: those of its session or control group, where it has such, else all of the machine (ADR-0020). Only on Linux; where it may not be it is not, and only slower.
 * Twice is fine.
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
    return readdirSync(threads).filter(isHelper).map(Number);
  } catch {
    // No Linux.
    return [];
  }
}

function isHelper(thread: string): boolean {
  try {
    return readFileSync(`${threads}/${thread}/comm`, "utf8").trim() === "V8Worker";
  } catch {
    // It ended while it was looked at.
    return false;
  }
}
