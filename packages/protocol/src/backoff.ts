import { Times } from "./limits.ts";

/**
 * How long to wait after `attempt` failures in a row (1, 2, 3 …), in milliseconds: full jitter between the minimum and a ceiling that doubles,
 * as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). `random` gives numbers in [0, 1). Default bounds:
 * 100 ms and 10 s.
 */
export function backoffDelay(
  attempt: number,
  random: () => number,
  { minMs, maxMs }: { readonly minMs: number; readonly maxMs: number } = { minMs: Times.backoffMinMs, maxMs: Times.backoffMaxMs },
): number {
  const ceiling = Math.min(maxMs, minMs * 2 ** Math.min(attempt, 30));
  return minMs + random() * (ceiling - minMs);
}
