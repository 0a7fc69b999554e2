import { emptyWindow, stepWindow, type WindowInput, type WindowOutcome, type WindowState } from "@warren/transport/machine";
import { simEvent, sliceOf, type SimEvent, type SimType } from "./sim-event.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** What became of a message, as the SDK tells it. */
type Outcome = "ok" | "rejected" | "indeterminate";

const outcomes: Readonly<Record<WindowOutcome, Outcome>> = {
  ok: "ok",
  returned: "rejected",
  "returned-after-loss": "indeterminate",
  "never-sent": "rejected",
  unwritable: "rejected",
  nacked: "indeterminate",
  "out-of-time": "indeterminate",
  closed: "indeterminate",
};

/** One program that publishes: the SDK's confirm window as shipped, its channel to RabbitMQ, and an application that sends again what it is not sure of. */
export class SimPublisher {
  readonly name: string;
  readonly #world: World;
  #state: WindowState = emptyWindow;
  #seq = 0;
  #numbers = 0;
  #channel = 0;
  /** Under way, by seq. */
  readonly #pending = new Map<number, readonly SimEvent[]>();
  /** Not known to be taken: to be sent again. */
  #again: (readonly SimEvent[])[] = [];
  #newest: SimEvent | undefined;
  /** Outcomes, by seq, and which messages any queue ever took. */
  readonly #taken = new Set<number>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** Everything it published has its outcome, and what was indeterminate was sent again. */
  get done(): boolean {
    return this.#pending.size === 0 && this.#again.length === 0;
  }

  /** Publishes something, or opens its channel. */
  act(heal: boolean): void {
    const { random } = this.#world;
    if (this.#channel === 0 && random.chance(0.5)) return this.#open();
    const again = this.#again.shift();
    if (again !== undefined) {
      this.#world.cover("resend");
      return this.#publish(again);
    }
    if (heal) return undefined;
    const count = 1 + random.below(3);
    const events = Array.from({ length: count }, () => this.#event());
    return this.#publish(events);
  }

  #event(): SimEvent {
    const { random } = this.#world;
    // Another content under an id that was used a moment ago.
    if (this.#newest !== undefined && random.chance(0.03)) return simEvent(this.#newest.id, this.#newest.type, 1);
    this.#numbers += 1;
    const type: SimType = random.chance(0.5) ? "a" : "b";
    // No database takes some of them.
    this.#newest = simEvent(`${this.name}-${this.#numbers}${random.chance(0.06) ? "!" : ""}`, type, 0);
    return this.#newest;
  }

  #publish(events: readonly SimEvent[]): void {
    this.#seq += 1;
    const seq = this.#seq;
    this.#pending.set(seq, events);
    this.#input({ kind: "publish", seq });
    const { network, random, faults } = this.#world;
    const deadline = faults && random.chance(0.05) ? random.below(30) : 100_000;
    if (deadline < 100_000)
      network.timer(
        `deadline-${this.name}-${seq}`,
        () => this.#pending.has(seq),
        deadline,
        () => this.#input({ kind: "out-of-time", seq }),
      );
  }

  #open(): void {
    this.#channel = this.#world.nextNumber();
    this.#input({ kind: "opened" });
  }

  loseChannel(): void {
    if (this.#channel === 0) return;
    this.#channel = 0;
    if (this.#pending.size > 0) this.#world.cover("window-resend");
    this.#input({ kind: "closed" });
  }

  /** The shell's loop: after each message the socket says whether it takes another. */
  #input(input: WindowInput): void {
    this.#world.stepped();
    let { state, effects } = stepWindow(this.#state, input);
    this.#state = state;
    this.#world.note(
      () =>
        `publisher ${this.name}: ${input.kind} ${"seq" in input ? input.seq : ""} -> ${effects.map(({ kind, seq }) => `${kind} ${seq}`).join(", ")}`,
    );
    for (;;) {
      let sent = false;
      for (const effect of effects) {
        if (effect.kind === "settle") this.#settled(effect.seq, effect.outcome);
        else sent = this.#send(effect.seq) || sent;
      }
      if (!sent) return;
      this.#world.stepped();
      ({ state, effects } = stepWindow(this.#state, { kind: "drained" }));
      this.#state = state;
      this.#world.note(() => `publisher ${this.name}: drained -> ${effects.map(({ kind, seq }) => `${kind} ${seq}`).join(", ")}`);
    }
  }

  #send(seq: number): boolean {
    const { network, random, faults, cover } = this.#world;
    const channel = this.#channel;
    rule(channel !== 0, `P1: message ${seq} of ${this.name} was sent without a channel`);
    const open = (): boolean => this.#channel === channel;
    const events = this.#pending.get(seq) ?? [];
    network.send(
      `publish-${this.name}-${channel}`,
      () => true,
      () => {
        // What was written before the connection broke may have reached RabbitMQ, or not: all that comes after it then did not.
        if (!open() && random.chance(0.5)) this.#cut.add(channel);
        if (this.#cut.has(channel)) return;
        const nacked = faults && random.chance(0.02);
        if (nacked) {
          cover("nacked");
          this.#world.uncertain(this.name, seq);
        }
        const taken = !nacked && this.#world.publish(events.map((event) => sliceOf(event, this.#world.nextNumber(), this.name, seq)));
        if (taken) this.#taken.add(seq);
        // The return comes first, and the channel may be lost between the two.
        const link = `confirm-${this.name}-${channel}`;
        if (!nacked && !taken) network.send(link, open, () => this.#input({ kind: "returned", seq }));
        network.send(link, open, () => this.#input({ kind: nacked ? "nacked" : "confirmed", seq }));
      },
    );
    if (!faults || !random.chance(0.05)) return true;
    this.#state = stepWindow(this.#state, { kind: "full" }).state;
    network.send(`drain-${this.name}-${channel}`, open, () => this.#input({ kind: "drained" }));
    return false;
  }

  readonly #cut = new Set<number>();

  #settled(seq: number, told: WindowOutcome): void {
    const events = this.#pending.get(seq);
    rule(events !== undefined, `P1: message ${seq} of ${this.name} has two outcomes`);
    this.#pending.delete(seq);
    const outcome = outcomes[told];
    this.#world.cover(`published-${told}`);
    if (outcome === "ok") rule(this.#taken.has(seq), `P1: message ${seq} of ${this.name} is ok, and no queue has it`);
    if (outcome === "rejected") rule(!this.#taken.has(seq), `P1: message ${seq} of ${this.name} is rejected, and a queue has it`);
    if (outcome !== "indeterminate") return;
    this.#world.uncertain(this.name, seq);
    this.#again.push(events);
  }
}
