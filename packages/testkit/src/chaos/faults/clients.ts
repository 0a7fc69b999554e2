import type { Prng } from "../../simulation/prng.ts";
import type { Fault } from "../fault.ts";
import type { Supervised } from "../supervised.ts";
import type { ChaosSystem } from "../system.ts";

const isReaders = ({ name }: Supervised): boolean => name.startsWith("readers");

function any({ workers }: ChaosSystem, random: Prng, fits: (program: Supervised) => boolean): Supervised {
  const found = random.pick([...workers.values()].filter((program) => program.running && fits(program)));
  if (found === undefined) throw new Error("no such program runs");
  return found;
}

const readers = (system: ChaosSystem, random: Prng): Supervised => any(system, random, isReaders);
const publisher = (system: ChaosSystem, random: Prng): Supervised => any(system, random, (program) => !isReaders(program));

/** Faults of the programs that use Warren. */
export const clientFaults: readonly Fault[] = [
  {
    kind: "readers-kill",
    row: "F18",
    touches: ["subscribers"],
    lastsMs: [0, 3_000],
    async begin(system, random) {
      const program = readers(system, random);
      await program.kill();
      return { target: program.name, end: async () => program.start() };
    },
  },
  {
    kind: "readers-pause",
    row: "F18",
    touches: ["subscribers"],
    // Longer than the pings of HTTP/2, at times: the broker gives it up, and it wakes with events of a session that is over.
    lastsMs: [2_000, 16_000],
    async begin(system, random) {
      const program = readers(system, random);
      program.pause();
      return { target: program.name, end: async () => program.resume() };
    },
  },
  {
    kind: "burst",
    row: "F18",
    touches: ["publishers", "subscribers"],
    lastsMs: [1_000, 2_000],
    async begin(system) {
      // More than a receiver keeps in memory: one that reads slowly must go on from the log.
      const program = system.workers.get("shop-2");
      for (let n = 0; n < 2; n += 1) program?.send("burst");
      return { target: "shop-2 publishes 20 MB", end: () => Promise.resolve() };
    },
  },
  {
    kind: "publisher-kill",
    row: "F13",
    touches: ["publishers"],
    lastsMs: [0, 2_000],
    async begin(system, random) {
      const program = publisher(system, random);
      await program.kill();
      return { target: program.name, end: async () => program.start() };
    },
  },
  {
    kind: "publisher-pause",
    row: "F13",
    touches: ["publishers"],
    lastsMs: [1_000, 12_000],
    async begin(system, random) {
      const program = publisher(system, random);
      program.pause();
      return { target: program.name, end: async () => program.resume() };
    },
  },
];
