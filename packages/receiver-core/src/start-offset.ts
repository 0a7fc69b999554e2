import type { Claim, EventLog } from "@warren/event-store";
import { WarrenError, type Offset } from "@warren/protocol";
import type { StartFrom } from "./subscription.ts";

/** Whether there are events older than a receiver: asked before a start in the past of a receiver that cannot give it. */
export interface PastProbe {
  /** Whether the archive holds any event. Throws STORE_UNAVAILABLE when it does not answer. */
  archiveHoldsEvents(options: { readonly signal: AbortSignal }): Promise<boolean>;
}

/** Without an archive there is no past but the receivers' own. */
export const noArchive: PastProbe = { archiveHoldsEvents: () => Promise.resolve(false) };

/**
 * Refuses a start in the past of a receiver that does not exist yet, when the archive has such a past: PAST_NOT_AVAILABLE, never an empty
 * success. Throws STORE_UNAVAILABLE when the archive does not answer.
 */
export async function checkNewReceiverStart(start: StartFrom, past: PastProbe, options: { readonly signal: AbortSignal }): Promise<void> {
  if (start.kind === "latest") return;
  if (start.kind === "after-offset") {
    if (start.afterOffset === 0n) return;
    throw new WarrenError("OFFSET_OUT_OF_RANGE", `offset ${start.afterOffset} is above the head 0: no receiver has this config yet`);
  }
  if (await past.archiveHoldsEvents(options)) {
    const message =
      "no receiver has this config yet, so its log cannot give the past; start with latest, or use the patterns of a receiver that exists";
    throw new WarrenError("PAST_NOT_AVAILABLE", message);
  }
}

/**
 * Where a new name begins in a log that exists; `claim` is what the broker knows of it. Throws OFFSET_OUT_OF_RANGE, STORE_UNAVAILABLE;
 * FENCED when the offset is above the head because another broker stores by now.
 */
export async function startOffset(
  start: StartFrom,
  log: EventLog,
  receiverId: bigint,
  claim: Pick<Claim, "epoch" | "headOffset" | "oldestOffset">,
  options: { readonly signal: AbortSignal },
): Promise<Offset> {
  switch (start.kind) {
    case "latest":
      return claim.headOffset;
    case "earliest":
      return claim.oldestOffset - 1n;
    case "time":
      return log.offsetBefore(receiverId, start.time, options);
    case "after-offset": {
      const { afterOffset } = start;
      const headOffset = afterOffset <= claim.headOffset ? claim.headOffset : await storedHead(log, receiverId, claim.epoch, options);
      if (afterOffset > headOffset) throw new WarrenError("OFFSET_OUT_OF_RANGE", `offset ${afterOffset} is above the head ${headOffset}`);
      if (afterOffset < claim.oldestOffset - 1n) {
        throw new WarrenError("OFFSET_OUT_OF_RANGE", `offset ${afterOffset + 1n} was pruned; the oldest kept is ${claim.oldestOffset}`);
      }
      return afterOffset;
    }
  }
}

/**
 * The head as the database has it: a broker's own is old when it does not know yet that it was replaced, or what it stored last. Throws
 * FENCED when another broker took the log since `epoch`, STORE_UNAVAILABLE.
 */
export async function storedHead(
  log: EventLog,
  receiverId: bigint,
  epoch: bigint | undefined,
  options: { readonly signal: AbortSignal },
): Promise<Offset> {
  const status = await log.status(receiverId, options);
  if (status.epoch !== epoch) throw new WarrenError("FENCED", "another broker owns this receiver now; open again");
  return status.headOffset;
}
