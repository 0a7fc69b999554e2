import { idleWriter, stepWriter, type WriterEffect, type WriterInput, type WriterState } from "@warren/archiver/machine";
import type { SimArchive } from "./sim-archive.ts";
import type { SimQueue } from "./sim-queue.ts";
import type { World } from "./world.ts";

/** Events of a batch: small, so that batches are full now and then. */
const batchSize = { events: 4, bytes: 1024 * 1024 };

/** One archiver process: the writer's machine as shipped, and its shell. */
export class SimArchiver {
  readonly id: number;
  readonly #world: World;
  readonly #queue: SimQueue;
  readonly #archive: SimArchive;
  #state: WriterState = idleWriter;
  #channel = 0;
  up = true;

  constructor(world: World, id: number, queue: SimQueue, archive: SimArchive) {
    this.#world = world;
    this.id = id;
    this.#queue = queue;
    this.#archive = archive;
    queue.exists = true;
  }

  readonly #alive = (): boolean => this.up;

  deliver(): void {
    if (this.#channel === 0) {
      this.#channel = this.#world.nextNumber();
      this.#queue.exists = true;
      this.#queue.open(this.id, this.#channel);
      return this.#input({ kind: "opened", channel: this.#channel });
    }
    const delivery = this.#queue.deliver(this.id);
    if (delivery === undefined) return undefined;
    const { channel, tag, message } = delivery;
    const events = message.slices;
    const rejected =
      message.spoiled === undefined ? [] : [{ reason: "malformed", detail: message.spoiled, bytes: new Uint8Array(1) } as const];
    return this.#input({ kind: "delivered", channel, message: { tag, events, rejected } });
  }

  loseChannel(): void {
    if (this.#channel === 0) return;
    const closed = this.#channel;
    this.#channel = 0;
    if (this.#queue.close(this.id)) this.#world.cover("archive-redelivery");
    this.#input({ kind: "closed", channel: closed });
  }

  crash(): void {
    this.up = false;
    this.#queue.close(this.id);
    this.#world.cover("archiver-crash");
  }

  #input(input: WriterInput): void {
    this.#world.stepped();
    const { state, effects } = stepWriter(this.#state, input, batchSize);
    this.#state = state;
    for (const effect of effects) this.#run(effect);
  }

  #run(effect: WriterEffect): void {
    const { network, random, faults, cover } = this.#world;
    switch (effect.kind) {
      case "append": {
        const { events, quarantined } = effect.batch;
        network.send(`archive-${this.id}`, this.#alive, () => {
          const luck = faults ? random.next() : 1;
          // Failed before the commit, or after it.
          const result = luck < 0.05 ? undefined : this.#archive.append(events, quarantined);
          if (luck < 0.1) cover(luck < 0.05 ? "archive-failed" : "archive-unknown");
          const input: WriterInput =
            luck < 0.1 || result === undefined
              ? { kind: "failed" }
              : result.kind === "refused"
                ? { kind: "refused", detail: "simulated" }
                : { kind: "stored" };
          network.send(`archive-${this.id}`, this.#alive, () => this.#input(input));
        });
        return;
      }
      case "ack":
        this.#queue.checkAck(this.id, effect.channel, effect.tag, (slice) => this.#archive.kept(slice), this.#archive.aside);
        network.send(
          `ack-${effect.channel}`,
          () => true,
          () => {
            if (!this.#queue.ack(this.id, effect.channel, effect.tag)) cover("archive-ack-lost");
          },
        );
        return;
      case "retry-later":
        network.timer(`archive-retry-${this.id}`, this.#alive, 2, () => this.#input({ kind: "retry" }));
    }
  }
}
