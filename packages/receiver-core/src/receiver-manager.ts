import { covers, isWarrenError, Limits, must, settle, Times, WarrenError, type Settled, type Timer } from "@warren/protocol";
import { TailBudget } from "@warren/replay";
import type { ReceiverConfig, ReceiverRow, StoredState } from "@warren/state-store";
import { canonicalConfig, configKey, queueName } from "./config-key.ts";
import { backoff, type CoreDeps, type CoreOptions, noCounts, type Shared } from "./core-deps.ts";
import { LeaseCheck } from "./lease-check.ts";
import { Migrations } from "./migrations.ts";
import { NameCheck } from "./name-check.ts";
import { ConsumerOperations, type Operations } from "./operations.ts";
import { ReceiveBudget } from "./receive-budget.ts";
import { receiverOperations, type ReceiverOperations } from "./receiver-operations.ts";
import { Receiver } from "./receiver.ts";
import { removeRetiring } from "./retirement.ts";
import { SessionStream } from "./session-stream.ts";
import { checkNewReceiverStart } from "./start-offset.ts";
import type {
  AckCommand,
  ConsumerView,
  CoreCounters,
  NewSubscription,
  ParkCommand,
  ReceiverView,
  Session,
  StopSubscriber,
  Subscriptions,
} from "./subscription.ts";
import { Upkeep } from "./upkeep.ts";

/** How often sessions are looked at, and after how many looks the lease of each log and the name of each session. */
const tickMs = 1_000;
const ticksPerCheck = 2;
/** Ended sessions whose end is remembered. */
const endedSessions = 1_000;

/**
 * Finds or makes the receiver of each config, and restores them all at start. It reacts to two typed messages: *new subscription* and
 * *stop subscriber*. One per broker; after `drain` or `drop` it is done.
 */
export class ReceiverManager implements Subscriptions {
  readonly #deps: CoreDeps;
  readonly #options: CoreOptions;
  readonly #shared: Shared;
  /** By config key. A promise, so that two subscriptions that arrive together make one receiver. */
  readonly #receivers = new Map<string, Promise<Receiver>>();
  readonly #ready = new Map<string, Receiver>();
  readonly #sessions = new Map<string, { readonly stream: SessionStream; readonly message: NewSubscription }>();
  /** By config key: what is being removed. Opens wait for it, and make it again. */
  readonly #retiring = new Map<string, Promise<unknown>>();
  readonly #operations: ConsumerOperations;
  readonly #migrations: Migrations;
  readonly receiverOperations: ReceiverOperations;
  readonly #upkeep: Upkeep<Receiver>;
  readonly #leases: LeaseCheck;
  readonly #names: NameCheck;
  /** Why the last sessions ended, oldest first. */
  readonly #ended = new Map<string, WarrenError>();
  readonly #abort = new AbortController();
  #timer: Timer | undefined;
  #ticks = 0;
  #restored = false;

  constructor(deps: CoreDeps, options: CoreOptions) {
    this.#deps = deps;
    this.#options = options;
    this.#shared = {
      counters: noCounts(),
      budget: new ReceiveBudget(options.unstoredBytes ?? Limits.unstoredBytes),
      tails: new TailBudget(options.tailBytes ?? Limits.tailBytes, Limits.tailOverheadBytes),
      awake: new Map(),
    };
    const receivers = (): readonly Receiver[] => [...this.#ready.values()];
    const retire = (receiver: Receiver, unusedMs: number): Promise<boolean> => this.#retire(receiver, unusedMs);
    this.#operations = new ConsumerOperations({ ...deps, receivers });
    this.#migrations = new Migrations({ ...deps, receivers });
    this.receiverOperations = receiverOperations({ ...deps, receivers, retire });
    this.#leases = new LeaseCheck(deps);
    this.#names = new NameCheck(deps);
    this.#upkeep = new Upkeep(deps, options, { receivers, retire });
    deps.offsets.onSaved((saved) => {
      this.#shared.counters.offsetSaves += 1;
      const { name, sessionToken: token } = saved;
      const consumer = this.#shared.awake.get(name);
      // Nobody asks for it any more.
      if (consumer === undefined) deps.offsets.forget(name);
      if (saved.kind === "saved") consumer?.dispatch({ kind: "saved", token, settled: { mark: saved.ackedOffset, ranges: saved.ranges } });
      else consumer?.fenced(token);
    });
  }

  /** State was loaded. */
  get restored(): boolean {
    return this.#restored;
  }

  async start(options: { readonly signal: AbortSignal }): Promise<void> {
    const { state, logger } = this.#deps;
    const loaded = await this.#untilAvailable("state not loaded", options.signal, () => state.load(options));
    for (const row of loaded.receivers) this.#restore(row, loaded);
    this.#restored = true;
    logger.info("state restored", { receivers: loaded.receivers.length, consumers: loaded.consumers.length });
    this.#schedule();
    this.#upkeep.start();
  }

  newSubscription(message: NewSubscription): Session {
    const canonical = { ...message, config: canonicalConfig(message.config) };
    const sessionId = this.#deps.ids.uuid();
    const stream = new SessionStream(sessionId, {
      stop: (reason) => this.stopSubscriber({ config: canonical.config, consumer: canonical.consumer, sessionId, reason }),
    });
    this.#sessions.set(sessionId, { stream, message: canonical });
    stream.signal.addEventListener("abort", () => this.#forgetSession(sessionId, stream.signal.reason), { once: true });
    void this.#open(canonical, stream);
    return stream;
  }

  stopSubscriber(message: StopSubscriber): void {
    this.#ready.get(configKey(message.config))?.sleepConsumer(message.consumer, message.sessionId, message.reason);
  }

  async ack(sessionId: string, command: AckCommand, options: { readonly signal: AbortSignal }): Promise<Settled> {
    const { stream, message } = this.#session(sessionId);
    stream.ack(command);
    const wanted = command.ranges.reduce(settle, { mark: command.upTo, ranges: [] });
    if (message.consumer === "") return wanted;
    const receiver = must(this.#ready.get(configKey(message.config)), "a session that takes acks has a receiver");
    const consumer = must(receiver.consumer(message.consumer), "a session that takes acks has a consumer");
    await consumer.whenSettled(command.deliveryIds);
    // What was settled before needs no save of its own.
    if (covers(consumer.saved, wanted)) return consumer.saved;
    return this.#deps.offsets.whenSaved(message.consumer, consumer.sessionToken, wanted, options);
  }

  async park(sessionId: string, command: ParkCommand): Promise<Settled> {
    return this.#session(sessionId).stream.park(command);
  }

  get operations(): Operations {
    return this.#operations;
  }

  receivers(): readonly ReceiverView[] {
    return [...this.#ready.values()].map((receiver) => receiver.view());
  }

  consumers(): readonly ConsumerView[] {
    return [...this.#ready.values()].flatMap((receiver) => receiver.consumerViews());
  }

  counters(): CoreCounters {
    return { ...this.#shared.counters };
  }

  get unstoredBytes(): number {
    return this.#shared.budget.total;
  }

  async drain(): Promise<void> {
    if (this.#abort.signal.aborted) return;
    const error = new WarrenError("DRAINING", "the broker is shutting down; open again");
    for (const { stream } of this.#sessions.values()) stream.push({ kind: "draining", retryAfterMs: Times.backoffMinMs });
    this.#stopTimer(error);
    for (const { stream } of this.#sessions.values()) stream.end(error);
    for (const receiver of this.#ready.values()) receiver.shut(error);
    await Promise.allSettled([...this.#ready.values()].map((receiver) => receiver.stop()));
    await this.#deps.offsets.flush();
    this.#deps.offsets.stop();
  }

  drop(): void {
    const error = new WarrenError("CLOSED", "the broker was dropped");
    this.#stopTimer(error);
    this.#deps.offsets.stop();
    for (const { stream } of this.#sessions.values()) stream.end(error);
    for (const receiver of this.#ready.values()) void receiver.stop();
  }

  #session(sessionId: string) {
    const session = this.#sessions.get(sessionId);
    if (session !== undefined) return session;
    const ended = this.#ended.get(sessionId);
    throw ended ?? new WarrenError("NOT_FOUND", `no session has the id ${JSON.stringify(sessionId)}; it is told by the frame \`opened\``);
  }

  /** Remembered for a while, so that a late ack is told what became of its session. */
  #forgetSession(sessionId: string, reason: unknown): void {
    this.#sessions.delete(sessionId);
    const closed = new WarrenError("SESSION_CLOSED", "the session has ended; its acks are void, open again");
    this.#ended.set(sessionId, isWarrenError(reason, "TAKEN_OVER") ? reason : closed);
    const [oldest] = this.#ended.keys();
    if (this.#ended.size > endedSessions && oldest !== undefined) this.#ended.delete(oldest);
  }

  async #open(message: NewSubscription, stream: SessionStream): Promise<void> {
    try {
      if (this.#abort.signal.aborted) throw new WarrenError("DRAINING", "the broker is shutting down; open again");
      if (!this.#restored) throw new WarrenError("STORE_UNAVAILABLE", "the broker has not restored its state yet; open again");
      // Before anything is made for the new config.
      const migrates = this.#migrations.check(message);
      let receiver = await this.#acquire(message, stream.signal, migrates);
      // Retired while this was waiting for its turn.
      while (this.#ready.get(receiver.row.configKey) !== receiver) receiver = await this.#acquire(message, stream.signal, migrates);
      const migratedFrom = migrates ? await this.#migrations.move(message, receiver, stream) : undefined;
      if (!stream.ended) receiver.open({ ...message, migratedFrom }, stream);
    } catch (error) {
      stream.end(isWarrenError(error) ? error : new WarrenError("ILLEGAL_STATE", "unexpected error while opening", { cause: error }));
      if (!isWarrenError(error)) this.#deps.logger.error("open failed", { error });
    }
  }

  /** Finds the receiver by its config, or makes it. */
  async #acquire(message: NewSubscription, signal: AbortSignal, migrates: boolean): Promise<Receiver> {
    const key = configKey(message.config);
    for (let retiring = this.#retiring.get(key); retiring !== undefined; retiring = this.#retiring.get(key))
      await unlessAborted(retiring, signal);
    if (!this.#receivers.has(key) && !migrates && !(await this.#exists(key, message.start, signal))) {
      await checkNewReceiverStart(message.start, this.#deps.past, { signal });
    }
    const found = this.#receivers.get(key);
    if (found !== undefined) return found;
    const making = this.#make(key, message.config);
    this.#receivers.set(key, making);
    // Failed: the next subscription tries again.
    making.catch(() => this.#receivers.delete(key));
    return making;
  }

  /** Whether another broker made the receiver since this one began: its log has a past to start in. */
  async #exists(key: string, { kind }: NewSubscription["start"], signal: AbortSignal): Promise<boolean> {
    if (kind === "latest") return false;
    const { receivers } = await this.#deps.state.load({ signal });
    return receivers.some(({ configKey, phase }) => configKey === key && phase === "ready");
  }

  /** W13: row, log, queue and bindings, then `ready`; each step may be repeated. */
  async #make(key: string, config: ReceiverConfig): Promise<Receiver> {
    const { state, log, transport, logger, clock } = this.#deps;
    const options = { signal: this.#abort.signal };
    const row = await state.ensureReceiver(key, config, options);
    // Another broker made it: its queue is looked up passively when it is consumed, so that a loss is noticed (W9).
    if (row.phase === "ready") return this.#adopt(row, await state.load(options));
    // Another broker was about to remove it.
    if (row.phase === "retiring") {
      await removeRetiring(this.#deps, this.#options.namespace, row, options);
      return this.#make(key, config);
    }
    await log.create(row.receiverId, options);
    await transport.ensureQueue({
      exchange: { name: config.exchange, mode: "passive" },
      queue: { name: queueName(this.#options.namespace, key), patterns: config.patterns, singleActiveConsumer: true },
    });
    const ready = await state.markReady(row.receiverId, clock.wallMs(), options);
    logger.info("receiver made", { receiver: key, patterns: config.patterns });
    return this.#adopt(ready, { receivers: [], consumers: [] });
  }

  #restore(row: ReceiverRow, loaded: StoredState): void {
    if (row.phase === "retiring") {
      this.#whileRetiring(row, () => this.#remove(row)).catch(() => undefined);
      return;
    }
    const making =
      row.phase === "ready"
        ? Promise.resolve(this.#adopt(row, loaded))
        : this.#untilAvailable("receiver not made", this.#abort.signal, () => this.#make(row.configKey, row.config));
    this.#receivers.set(row.configKey, making);
    making.catch(() => this.#receivers.delete(row.configKey));
  }

  /** W13. Returns whether it is gone; otherwise it goes on as before. */
  async #retire(receiver: Receiver, unusedMs: number): Promise<boolean> {
    const { row } = receiver;
    if (receiver.inUse || this.#ready.get(row.configKey) !== receiver) return false;
    // From here on nobody finds it.
    const found = this.#receivers.get(row.configKey);
    this.#forgetReceiver(receiver);
    return this.#whileRetiring(row, async () => {
      const { state, logger } = this.#deps;
      const { signal } = this.#abort;
      const retiring = await this.#untilAvailable("receiver not retired", signal, () => state.retire(row.receiverId, unusedMs, { signal }));
      if (!retiring) {
        this.#ready.set(row.configKey, receiver);
        if (found !== undefined) this.#receivers.set(row.configKey, found);
        return false;
      }
      await receiver.stop();
      await this.#remove(row);
      this.#shared.counters.receiversRetired += 1;
      logger.info("receiver removed", { receiver: row.configKey, patterns: row.config.patterns });
      return true;
    });
  }

  async #whileRetiring<T>(row: ReceiverRow, run: () => Promise<T>): Promise<T> {
    const running = run();
    const settled = running.catch((error: unknown) => {
      if (!this.#abort.signal.aborted) this.#deps.logger.error("receiver not removed", { receiver: row.configKey, error });
    });
    this.#retiring.set(row.configKey, settled);
    try {
      return await running;
    } finally {
      this.#retiring.delete(row.configKey);
    }
  }

  #remove(row: ReceiverRow): Promise<void> {
    const { signal } = this.#abort;
    return this.#untilAvailable("receiver not removed", signal, () => removeRetiring(this.#deps, this.#options.namespace, row, { signal }));
  }

  #forgetReceiver({ row }: Receiver): void {
    this.#receivers.delete(row.configKey);
    this.#ready.delete(row.configKey);
  }

  /** Another broker retired it: its sessions open again, and then it is made anew. */
  #retiredElsewhere(receiver: Receiver): void {
    if (this.#ready.get(receiver.row.configKey) !== receiver) return;
    this.#forgetReceiver(receiver);
    receiver.shut(new WarrenError("FENCED", "the receiver was removed; open again, it is made anew"));
    void receiver.stop();
  }

  #adopt(row: ReceiverRow, loaded: StoredState): Receiver {
    const consumers = loaded.consumers.filter(({ receiverId }) => receiverId === row.receiverId);
    const receiver: Receiver = new Receiver(this.#deps, this.#options, row, consumers, this.#shared, () =>
      this.#retiredElsewhere(receiver),
    );
    this.#ready.set(row.configKey, receiver);
    return receiver;
  }

  /** W11: a dependency that is down is waited for. */
  async #untilAvailable<T>(what: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await run();
      } catch (error) {
        signal.throwIfAborted();
        if (
          !isWarrenError(error, "STORE_UNAVAILABLE") &&
          !isWarrenError(error, "TRANSPORT_UNAVAILABLE") &&
          !isWarrenError(error, "EXCHANGE_INVALID")
        )
          throw error;
        this.#deps.logger.warn(what, { error: error.message, attempt });
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#deps.clock.after(backoff(this.#deps, attempt), resolve);
        await promise;
      }
    }
  }

  #schedule(): void {
    this.#timer = this.#deps.clock.after(tickMs, () => {
      this.#ticks += 1;
      for (const receiver of this.#ready.values()) receiver.tick();
      if (this.#ticks % ticksPerCheck === 0) this.#check({ signal: this.#abort.signal });
      if (!this.#abort.signal.aborted) this.#schedule();
    });
  }

  #check(options: { readonly signal: AbortSignal }): void {
    void this.#leases.run([...this.#ready.values()], options);
    void this.#names.run(this.#shared.awake, options);
  }

  #stopTimer(error: WarrenError): void {
    this.#upkeep.stop();
    this.#timer?.cancel();
    this.#abort.abort(error);
  }
}

/** Throws `signal.reason` as soon as it is aborted. */
async function unlessAborted(waiting: Promise<unknown>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const aborted = (): void => reject(signal.reason);
  signal.addEventListener("abort", aborted, { once: true });
  try {
    await Promise.race([waiting, promise]);
  } finally {
    signal.removeEventListener("abort", aborted);
  }
}
