import type { Offset } from "@warren/protocol";
import {
  effectsOf,
  extendPlan,
  startPlan,
  unwatched,
  watchChannel,
  type ChannelWatch,
  type Reader,
  type ReceiverState,
} from "@warren/receiver-core/machine";
import type { SimReceiverRow } from "./sim-receiver.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** What upkeep needs of the receiver it keeps in order. */
export interface UpkeepOwner {
  readonly brokerId: number;
  readonly state: ReceiverState;
  flush(done: () => void): void;
  ask(link: string, question: () => () => void): void;
  isAsleep(name: string): boolean;
  pruned(oldest: Offset): void;
}

/** Retention of one receiver in one broker: the machines as shipped, and their shell. */
export class SimUpkeep {
  readonly #world: World;
  readonly #row: SimReceiverRow;
  readonly #owner: UpkeepOwner;
  #watch: ChannelWatch = unwatched;
  #passes = 0;
  /** Acks on their way: in which pass each was sent. */
  readonly #acks: number[] = [];
  #claims = 0;
  #pruning = false;
  readonly #held: (() => void)[] = [];

  constructor(world: World, row: SimReceiverRow, owner: UpkeepOwner) {
    this.#world = world;
    this.#row = row;
    this.#owner = owner;
  }

  /** A name is claimed when nothing is pruned, and the other way round. */
  claim(run: () => void): void {
    this.#claims += 1;
    if (this.#pruning) this.#held.push(run);
    else run();
  }

  claimed(): void {
    this.#claims -= 1;
  }

  ackSent(): void {
    this.#acks.push(this.#passes);
  }

  ackArrived(): void {
    this.#acks.shift();
  }

  /** One pass. */
  pass(): void {
    if (this.#pruning || this.#claims > 0) return;
    const { queue } = this.#row;
    const { brokerId, state } = this.#owner;
    // Between two passes lies time enough for RabbitMQ to deliver again what it has to, and to hear of acks; and for a broker that lost the log to leave its queue.
    if (queue.returned > 0 || queue.isHeldByOthers(brokerId) || this.#acks.some((pass) => pass < this.#passes)) return;
    this.#passes += 1;
    this.#watch = watchChannel(this.#watch, state);
    const { safeTo } = this.#watch;
    if (safeTo === 0n) return;
    this.#pruning = true;
    this.#owner.flush(() => this.#owner.ask("readers", () => this.#plan(state.epoch, safeTo)));
  }

  /** As they are saved, of every consumer; who sleeps is known to this broker alone. */
  #plan(epoch: bigint, safeTo: Offset): () => void {
    const readers = this.#row.names.flatMap((name) => {
      const settled = this.#world.consumers.settled(name);
      return settled === undefined ? [] : [{ name, mark: settled.mark, asleep: this.#owner.isAsleep(name) }];
    });
    const moves = this.#moves();
    return () => this.#owner.ask("prune", () => this.#prune(epoch, safeTo, readers, moves));
  }

  #prune(epoch: bigint, safeTo: Offset, readers: readonly Reader[], moves: bigint): () => void {
    const { log, names } = this.#row;
    const { retention, cover, consumers } = this.#world;
    const { keptBytes, segments } = log.sizes();
    const begun = startPlan(retention, readers, { headOffset: log.head, oldestOffset: log.oldest, keptBytes, now: 0 });
    const plan = extendPlan(extendPlan(begun, segments), []);
    if (effectsOf(plan).some(({ holds }) => holds > 0n)) cover("held");
    const goneTo = plan.goneTo < safeTo ? plan.goneTo : safeTo;
    if (goneTo > plan.wasGoneTo && log.prune(epoch, goneTo + 1n)) {
      cover("pruned");
      // An operator who moves a consumer back at this very moment finds a gap there; so does a name that a broker which has lost the log makes at this moment.
      const made = (name: string): boolean =>
        !readers.some((reader) => reader.name === name) && consumers.madeBy(name) !== this.#owner.brokerId;
      for (const name of retention.hold && this.#moves() === moves ? names.filter((each) => !made(each)) : []) {
        const saved = consumers.settled(name)?.mark ?? goneTo;
        rule(saved >= goneTo, `W9: pruned to ${goneTo}, but ${name} is at ${saved}, and holds what follows`);
      }
    }
    const { oldest } = log;
    return () => {
      this.#owner.pruned(oldest);
      this.#pruning = false;
      for (const claim of this.#held.splice(0)) claim();
    };
  }

  #moves(): bigint {
    return this.#row.names.reduce((sum, name) => sum + this.#world.consumers.moves(name), 0n);
  }
}
