import { writeFileSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";

/* Loaded into a broker with --import, beside --expose-gc: on SIGUSR2 it collects garbage, and writes what is left of the heap to a file. */

const file = process.env["WARREN_BENCH_HEAP_FILE"];

async function measure(): Promise<void> {
  const { gc } = globalThis;
  // What one collection lets go may hold what the next one finds.
  for (let i = 0; i < 4; i += 1) {
    gc?.();
    await wait(50);
  }
  if (file !== undefined) writeFileSync(file, String(process.memoryUsage().heapUsed));
}

process.on("SIGUSR2", () => void measure());
