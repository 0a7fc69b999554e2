import { backoffDelay } from "@warren/protocol";
import { pause, type HealthPart, type WaitDeps } from "@warren/service";
import type { Transport } from "@warren/transport";

/** What waiting needs. */
export interface WaitForExchangeDeps extends WaitDeps {
  readonly transport: Transport;
}

/**
 * Looks for the exchange until it is there or the signal aborts, and says so once per change: it is the archiver's to make, or was made by someone else. The part
 * answers what is missing.
 */
export function waitForExchange(exchange: string, deps: WaitForExchangeDeps, signal: AbortSignal): HealthPart {
  const { transport, clock, random, logger } = deps;
  let problem: string | undefined;
  const wait = async (): Promise<void> => {
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      try {
        await transport.ensureExchange({ name: exchange, mode: "passive" });
        if (problem !== undefined) logger.info("the exchange is there", { exchange });
        problem = undefined;
        return;
      } catch (error) {
        if (signal.aborted) return;
        const message = error instanceof Error ? error.message : String(error);
        if (message !== problem) logger.warn("waiting for the exchange", { exchange, error: message });
        problem = message;
      }
      await pause(clock, backoffDelay(attempt, random), signal);
    }
  };
  void wait();
  return { name: "exchange", problem: () => problem };
}
