import { Times } from "./limits.ts";

/**
 * How long to wait after `attempt` failures in a row (1, 2, 3 …), in milliseconds: full jitter between the minimum and a ceiling that doubles,
 * as in "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015). `random` gives numbers in [0, 1).
 */
export function backoffDelay(attempt: number, random: () => number): number {
  const ceiling = Math.min(Times.backoffMaxMs, Times.backoffMinMs * 2 ** Math.min(attempt, 30));
  return Times.backoffMinMs + random() * (ceiling - Times.backoffMinMs);
}
