import { TailBudget } from "@warren/replay";
import { SimOffsets } from "./sim-offsets.ts";
import { SimReceiver, type SimReceiverRow } from "./sim-receiver.ts";
import type { World } from "./world.ts";

/** Bytes that the tails of a broker hold: a few segments. */
const tailBytes = 120;

/** One broker process: a receiver for each config, and one writer of offsets. */
export class SimBroker {
  readonly id: number;
  readonly offsets: SimOffsets;
  readonly receivers: readonly SimReceiver[];
  readonly tails = new TailBudget(tailBytes);
  readonly #world: World;
  up = true;

  constructor(world: World, id: number, rows: readonly SimReceiverRow[]) {
    this.#world = world;
    this.id = id;
    this.offsets = new SimOffsets(world, this, (saved) => {
      const name = this.receivers.map(({ names }) => names.get(saved.name)).find((found) => found !== undefined);
      if (saved.kind === "fenced") name?.fenced(saved.sessionToken);
      else name?.input({ kind: "saved", token: saved.sessionToken, settled: { mark: saved.ackedOffset, ranges: saved.ranges } });
    });
    this.receivers = rows.map((row) => new SimReceiver(world, this, row));
  }

  receiver(key: string): SimReceiver | undefined {
    return this.receivers.find((receiver) => receiver.key === key);
  }

  crash(): void {
    this.up = false;
    for (const receiver of this.receivers) receiver.crash();
    this.#world.cover("crash");
  }
}
