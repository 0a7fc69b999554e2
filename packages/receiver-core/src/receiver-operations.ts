import { WarrenError } from "@warren/protocol";
import type { RetentionPolicy, StateStore } from "@warren/state-store";
import type { RetentionOutcome } from "./receiver-upkeep.ts";
import type { Receiver } from "./receiver.ts";
import type { ReceiverView } from "./subscription.ts";

/**
 * What an operator does to receivers. Everything throws NOT_FOUND for a key that does not exist, and STORE_UNAVAILABLE when the database is away; then nothing was
 * done. With `dryRun` nothing is done.
 */
export interface ReceiverOperations {
  /** Says how long the log keeps events, and what goes by it. */
  setRetention(
    receiverKey: string,
    policy: RetentionPolicy,
    dryRun: boolean,
    options: { readonly signal: AbortSignal },
  ): Promise<{ readonly receiver: ReceiverView; readonly outcome: RetentionOutcome }>;
  /**
   * Removes a receiver: queue, log with its quarantine, row. Resolves when it is gone; a server that is away is waited for, also when the caller is not there any more.
   * RECEIVER_IN_USE while it has consumers or open sessions. Returns it as it was.
   */
  delete(receiverKey: string, dryRun: boolean): Promise<ReceiverView>;
}

/** What operations need. */
export interface ReceiverOperationsDeps {
  readonly state: StateStore;
  readonly receivers: () => readonly Receiver[];
  /** Returns whether it is gone. */
  readonly retire: (receiver: Receiver, unusedMs: number) => Promise<boolean>;
}

/** Operations on the receivers of one broker. */
export function receiverOperations({ state, receivers, retire }: ReceiverOperationsDeps): ReceiverOperations {
  function find(receiverKey: string): Receiver {
    const receiver = receivers().find(({ row }) => row.configKey === receiverKey);
    if (receiver === undefined) throw new WarrenError("NOT_FOUND", `no receiver has the key ${JSON.stringify(receiverKey)}`);
    return receiver;
  }
  return {
    async setRetention(receiverKey, policy, dryRun, options) {
      const receiver = find(receiverKey);
      const outcome = await receiver.upkeep.preview(policy, options);
      if (!dryRun) {
        const row = await state.setRetention(receiver.row.receiverId, policy, options);
        if (row === undefined) throw new WarrenError("NOT_FOUND", `receiver ${receiverKey} was removed meanwhile`);
        receiver.retention = row.retention;
      }
      return { receiver: receiver.view(), outcome };
    },
    async delete(receiverKey, dryRun) {
      const receiver = find(receiverKey);
      const view = receiver.view();
      if (receiver.inUse || (!dryRun && !(await retire(receiver, 0)))) throw inUse(view);
      return view;
    },
  };
}

function inUse({ receiverKey, activeConsumers, sleepingConsumers }: ReceiverView): WarrenError {
  const text = `receiver ${receiverKey} has consumers (${activeConsumers} awake, ${sleepingConsumers} asleep); delete them first`;
  return new WarrenError("RECEIVER_IN_USE", text);
}
