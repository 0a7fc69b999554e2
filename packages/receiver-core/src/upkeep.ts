import { isWarrenError, Times, type Timer } from "@warren/protocol";
import type { CoreDeps, CoreOptions } from "./core-deps.ts";
import type { Receiver } from "./receiver.ts";

/** What upkeep needs of the manager. */
export interface UpkeepSubject {
  receivers(): readonly Receiver[];
  /** Retires a receiver that nobody uses, when the state store agrees. */
  retire(receiver: Receiver, unusedMs: number): Promise<boolean>;
}

/** Goes around the receivers from time to time: depth of queues, retention, expiry, retirement. */
export class Upkeep {
  readonly #deps: CoreDeps;
  readonly #options: CoreOptions;
  readonly #subject: UpkeepSubject;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(deps: CoreDeps, options: CoreOptions, subject: UpkeepSubject) {
    this.#deps = deps;
    this.#options = options;
    this.#subject = subject;
  }

  /** The first round comes a period later. */
  start(): void {
    if (this.#stopped) return;
    this.#timer = this.#deps.clock.after(this.#options.upkeepMs ?? Times.upkeepMs, () => void this.#round());
  }

  /** A step under way may still happen. Twice is fine. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  async #round(): Promise<void> {
    for (const receiver of this.#subject.receivers()) {
      if (this.#stopped) return;
      await this.#keep(receiver);
    }
    this.start();
  }

  async #keep(receiver: Receiver): Promise<void> {
    const { logger } = this.#deps;
    try {
      await receiver.measureQueue();
      await receiver.upkeep.pass();
      await this.#use(receiver);
    } catch (error) {
      if (this.#stopped) return;
      const fields = { receiver: receiver.row.configKey, error: error instanceof Error ? error.message : String(error) };
      if (isWarrenError(error)) logger.warn("upkeep not done", fields);
      else logger.error("upkeep failed", { ...fields, error });
    }
  }

  /** Says that the receiver is used, or asks to retire it: neither more often than it takes to be exact to a quarter. */
  async #use(receiver: Receiver): Promise<void> {
    const { clock, state } = this.#deps;
    const retireAfterMs = this.#options.retireAfterMs ?? 0;
    const now = clock.monotonicMs();
    const every = Math.min(Times.receiverUsedMs, retireAfterMs > 0 ? retireAfterMs / 4 : Infinity);
    if (receiver.owned && receiver.inUse) {
      receiver.unusedSince = now;
      if (now - receiver.usedSaidAt < every) return;
      await state.markUsed(receiver.row.receiverId);
      receiver.usedSaidAt = now;
    } else if (receiver.owned && retireAfterMs > 0 && now - receiver.unusedSince >= Math.min(retireAfterMs, Times.receiverUsedMs)) {
      // Asked again a while later, when the store says that it was used before we came.
      receiver.unusedSince = now - Math.min(retireAfterMs, Times.receiverUsedMs) + every;
      await this.#subject.retire(receiver, retireAfterMs);
    }
  }
}
