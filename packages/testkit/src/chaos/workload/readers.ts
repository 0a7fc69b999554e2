import { Prng } from "../../simulation/prng.ts";
import type { Journal } from "../journal.ts";
import { readOnce } from "./reader.ts";
import { ephemeralName, type ReadersSpec, type ReaderSpec } from "./spec.ts";

/** Readers that run. */
export interface RunningReaders {
  readonly ready: boolean;
  readonly taken: number;
  readonly offsets: Readonly<Record<string, string>>;
  /** No more leaving, sleeping and dawdling. */
  hurry(): void;
  /** Resolves when all have left. */
  stop(): Promise<void>;
}

/** Starts the readers of a program; each comes again as long as its habit says. */
export function startReaders(spec: ReadersSpec, incarnation: number, journal: Journal): RunningReaders {
  const stopping = new AbortController();
  const hurry = new AbortController();
  const open = new Set<ReaderSpec>();
  const offsets: Record<string, string> = {};
  let taken = 0;

  async function live(given: ReaderSpec, index: number): Promise<void> {
    const ephemeral = given.habit === "ephemeral";
    const reader = ephemeral ? { ...given, consumer: ephemeralName(given.consumer, spec.name, incarnation) } : given;
    const random = new Prng(spec.seed + 100 * incarnation + index);
    for (let life = 1; !stopping.signal.aborted; life += 1) {
      await readOnce({
        reader: `${reader.consumer}/${spec.name}.${incarnation}.${life}`,
        spec: reader,
        brokerUrl: spec.brokerUrl,
        journal,
        random,
        stopping: stopping.signal,
        hurry: hurry.signal,
        opened: () => open.add(given),
        taken(event) {
          taken += 1;
          offsets[reader.consumer] = String(event.offset);
        },
      });
      if (reader.habit === "sleeper") await rest(2_000 + random.below(4_000));
      // A name that is taken from it is left to the other for a while.
      else if (reader.habit === "taker" || reader.habit === "standby") await rest(500 + random.below(2_500));
    }
  }

  /** Ends early when it must. */
  const rest = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      for (const { signal } of [stopping, hurry]) {
        if (signal.aborted) resolve();
        signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
      }
    });

  const all = Promise.all(spec.readers.map(live));
  return {
    get ready() {
      return open.size === spec.readers.length;
    },
    get taken() {
      return taken;
    },
    offsets,
    hurry: () => hurry.abort(),
    async stop() {
      stopping.abort();
      await all;
    },
  };
}
