import { isWarrenError, Times, type Timer } from "@warren/protocol";
import type { CoreDeps, CoreOptions } from "./core-deps.ts";
import type { Receiver } from "./receiver.ts";

/** What upkeep needs of a receiver. */
export interface Upkept {
  readonly row: Pick<Receiver["row"], "receiverId" | "configKey">;
  readonly owned: boolean;
  readonly inUse: boolean;
  readonly upkeep: { pass(): Promise<void> };
  unusedSince: number;
  usedSaidAt: number;
  /** When it had its turn last. */
  keptAt: number;
  measureQueue(): Promise<void>;
}

/** What upkeep needs of the manager. */
export interface UpkeepSubject<Kept extends Upkept> {
  receivers(): readonly Kept[];
  /** Retires a receiver that nobody uses, when the state store agrees. */
  retire(receiver: Kept, unusedMs: number): Promise<boolean>;
}

/**
 * Goes around the receivers: depth of queues, retention, expiry, retirement. The one whose turn is longest ago is next, and one that came
 * had none yet. Each has a time of its own, so that many are no burst, and a whole period between two turns: `watchChannel` counts on that.
 */
export class Upkeep<Kept extends Upkept> {
  readonly #deps: Pick<CoreDeps, "clock" | "logger" | "state">;
  readonly #options: Pick<CoreOptions, "upkeepMs" | "retireAfterMs">;
  readonly #subject: UpkeepSubject<Kept>;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(
    deps: Pick<CoreDeps, "clock" | "logger" | "state">,
    options: Pick<CoreOptions, "upkeepMs" | "retireAfterMs">,
    subject: UpkeepSubject<Kept>,
  ) {
    this.#deps = deps;
    this.#options = options;
    this.#subject = subject;
  }

  /** Who is there has its first turn within a period; one that comes too, and where many come at once, the last within two. */
  start(): void {
    this.#wait(this.#everyMs / Math.max(1, this.#subject.receivers().length));
  }

  /** A step under way may still happen. Twice is fine. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  get #everyMs(): number {
    return this.#options.upkeepMs ?? Times.upkeepMs;
  }

  #wait(leastMs: number): void {
    if (this.#stopped) return;
    const { clock } = this.#deps;
    const due = (this.#longestAgo()?.keptAt ?? -Infinity) + this.#everyMs;
    this.#timer = clock.after(Math.max(leastMs, due - clock.monotonicMs()), () => void this.#next());
  }

  async #next(): Promise<void> {
    // Another one than when the timer was set, where that one went or a new one came.
    const receiver = this.#longestAgo();
    const { clock } = this.#deps;
    if (receiver !== undefined && clock.monotonicMs() - receiver.keptAt < this.#everyMs) return this.#wait(0);
    if (receiver !== undefined) {
      await this.#keep(receiver);
      receiver.keptAt = clock.monotonicMs();
    }
    this.start();
  }

  #longestAgo(): Kept | undefined {
    const receivers = this.#subject.receivers();
    return receivers.reduce((oldest, each) => (each.keptAt < (oldest?.keptAt ?? Infinity) ? each : oldest), receivers[0]);
  }

  async #keep(receiver: Kept): Promise<void> {
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
  async #use(receiver: Kept): Promise<void> {
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
