import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  SubscriptionService,
  type AckRequestSchema,
  type Event,
  type OpenSchema,
  type ParkRequestSchema,
  type SubscribeResponse,
} from "@warren/protocol/v1";

type Frame = SubscribeResponse["frame"];
type Case = NonNullable<Frame["case"]>;
type ValueOf<C extends Case> = Extract<Frame, { case: C }>["value"];

/** An event as it came, with its offset. */
export type SentEvent = Event & { readonly offset: bigint };

/** A session without the SDK: frames as they come, commands as they are given. */
export class RawSession {
  /** All frames, in order. */
  readonly frames: Frame[] = [];
  readonly #abort = new AbortController();
  readonly #commands: unknown[] = [];
  #wake: () => void = () => undefined;
  #error: unknown;
  #ended = false;
  readonly #reading: Promise<void>;

  constructor(brokerUrl: string, open: MessageInitShape<typeof OpenSchema>) {
    const client = createClient(SubscriptionService, createConnectTransport({ baseUrl: brokerUrl, httpVersion: "2" }));
    this.#commands.push({ case: "open", value: open });
    const commands = this.#send.bind(this);
    this.#reading = (async () => {
      try {
        for await (const { frame } of client.subscribe(commands() as never, { signal: this.#abort.signal })) {
          this.frames.push(frame);
          this.#notify();
        }
      } catch (error) {
        this.#error = error;
      }
      this.#ended = true;
      this.#notify();
    })();
  }

  #listeners: (() => void)[] = [];

  #notify(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  async *#send(): AsyncGenerator {
    while (!this.#abort.signal.aborted) {
      const command = this.#commands.shift();
      if (command === undefined) await new Promise<void>((resolve) => (this.#wake = resolve));
      else yield { command };
    }
  }

  #command(command: unknown): void {
    this.#commands.push(command);
    this.#wake();
  }

  ack(value: MessageInitShape<typeof AckRequestSchema>): void {
    this.#command({ case: "ack", value });
  }

  park(value: MessageInitShape<typeof ParkRequestSchema>): void {
    this.#command({ case: "park", value });
  }

  /** Events of the stream so far. */
  get events(): readonly SentEvent[] {
    return this.frames.flatMap((frame) =>
      frame.case === "batch"
        ? frame.value.events.map((event, index) => ({ ...event, offset: frame.value.firstOffset + BigInt(index) }))
        : [],
    );
  }

  get offsets(): readonly bigint[] {
    return this.events.map(({ offset }) => offset);
  }

  all<C extends Case>(name: C): readonly ValueOf<C>[] {
    return this.frames.flatMap((frame) => (frame.case === name ? [frame.value as ValueOf<C>] : []));
  }

  /** Resolves with the first frame of that name (after the first `skip`) that fits. Throws what ended the session before. */
  async frame<C extends Case>(name: C, fits: (value: ValueOf<C>) => boolean = () => true): Promise<ValueOf<C>> {
    return this.until(() => this.all(name).find(fits));
  }

  /** Resolves with what `look` finds, asked after every frame. Throws what ended the session before. */
  async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#ended) throw this.#error ?? new Error("the session ended");
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  async received(count: number): Promise<readonly bigint[]> {
    return this.until(() => (this.events.length >= count ? this.offsets : undefined));
  }

  /** Resolves with what ended the session; undefined: it ended well. */
  async ended(): Promise<unknown> {
    await this.#reading;
    return this.#error;
  }

  /** Leaves without a word. */
  async leave(): Promise<void> {
    this.#abort.abort();
    this.#wake();
    await this.#reading;
  }
}
