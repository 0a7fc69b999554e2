import { WarrenError } from "@warren/protocol";
import type { ReceiverRow } from "@warren/state-store";
import { queueName } from "./config-key.ts";
import type { CoreDeps } from "./core-deps.ts";

/**
 * Removes what belongs to a receiver that is `retiring`: queue, log, row, in this order. Each step may be repeated, and the row goes last: whoever finds it after a
 * crash begins again. Throws TRANSPORT_UNAVAILABLE (also while somebody consumes the queue) or STORE_UNAVAILABLE; call it again then.
 */
export async function removeRetiring(
  deps: Pick<CoreDeps, "transport" | "log" | "state">,
  namespace: string,
  row: ReceiverRow,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const queue = queueName(namespace, row.configKey);
  if (!(await deps.transport.deleteQueue(queue))) {
    throw new WarrenError("TRANSPORT_UNAVAILABLE", `queue ${queue} of a retiring receiver is still consumed; it is tried again`);
  }
  while (!(await deps.log.drop(row.receiverId, options)));
  await deps.state.removeReceiver(row.receiverId, options);
}
