import type { ErrorCode, WarrenError } from "@warren/protocol";
import type { Frame } from "@warren/receiver-core";
import type { SimBroker } from "./sim-broker.ts";
import type { SimName, SimOpen } from "./sim-name.ts";
import { rule } from "./violation.ts";
import type { World } from "./world.ts";

/** What the program hears of its stream. */
interface StreamEvents {
  frame(frame: Frame): void;
  ended(code: ErrorCode | undefined): void;
}

/** One stream between a program and a broker, both directions: in order, late, and one frame at a time for each wish of the program. */
export class ProgramStream {
  readonly sessionId: string;
  readonly broker: SimBroker;
  readonly #world: World;
  readonly #receiverKey: string;
  readonly #name: string;
  readonly #events: StreamEvents;
  /** At the broker: frames that wait for a wish. */
  readonly #waiting: Frame[] = [];
  #wish = false;
  /** The program is not there any more. */
  #left = false;

  constructor(world: World, broker: SimBroker, receiverKey: string, name: string, sessionId: string, events: StreamEvents) {
    this.#world = world;
    this.broker = broker;
    this.#receiverKey = receiverKey;
    this.#name = name;
    this.sessionId = sessionId;
    this.#events = events;
  }

  open({ spec, known }: Pick<SimOpen, "spec" | "known">): void {
    this.toName((name) => {
      name.open({ spec, known, stream: { frame: (frame) => this.#made(frame), end: (error) => this.#end(error) } });
      this.#pull(name);
    });
  }

  /** Something that the program sends. Nothing when it has left before. */
  toName(run: (name: SimName) => void): void {
    if (this.#left) return;
    const name = this.broker.receiver(this.#receiverKey)?.name(this.#name);
    if (name === undefined) return;
    this.#world.network.send(
      `up-${this.sessionId}`,
      () => this.broker.up,
      () => run(name),
    );
  }

  /** The program closes it: the broker hears that later. */
  leave(): void {
    const { sessionId } = this;
    this.toName((name) => name.input({ kind: "stop", sessionId, reason: "stream-ended" }));
    this.#left = true;
  }

  /** The connection is cut, and the broker never hears of it. */
  vanish(): void {
    this.#left = true;
  }

  #made(frame: Frame): void {
    // W8: events are made when the one before was taken, and not sooner.
    const events = frame.kind === "batch" || frame.kind === "side";
    const waits = this.#waiting.some(({ kind }) => kind === "batch" || kind === "side");
    rule(!events || !waits, `W8: ${this.#name} is sent events while others wait for it`);
    this.#waiting.push(frame);
    this.#hand();
  }

  #pull(name: SimName): void {
    this.#wish = true;
    if (this.#waiting.length > 0) this.#hand();
    else name.input({ kind: "pull", sessionId: this.sessionId });
  }

  #hand(): void {
    if (!this.#wish) return;
    const frame = this.#waiting.shift();
    if (frame === undefined) return;
    this.#wish = false;
    this.#down(() => {
      this.#events.frame(frame);
      this.toName((name) => this.#pull(name));
    });
  }

  #end(error: WarrenError | undefined): void {
    // What was made before still comes.
    for (const frame of this.#waiting.splice(0)) this.#down(() => this.#events.frame(frame));
    this.#down(() => this.#events.ended(error?.code));
  }

  #down(run: () => void): void {
    this.#world.network.send(`down-${this.sessionId}`, () => !this.#left, run);
  }
}
