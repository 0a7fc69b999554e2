import type { Prng } from "../../simulation/prng.ts";
import type { Direction, Toxic } from "@warren/test-servers";
import type { Fault } from "../fault.ts";
import { linkNames, type LinkName } from "../links.ts";

const any = (random: Prng): LinkName => random.pick(linkNames) ?? "front";

/** Faults of connections. */
export const networkFaults: readonly Fault[] = [
  {
    kind: "connection-reset",
    row: "F13",
    touches: ["network"],
    lastsMs: [500, 3_000],
    async begin({ links }, random) {
      const link = any(random);
      links.proxy(link).reset();
      const timer = setInterval(() => links.proxy(link).reset(), 400);
      return {
        target: link,
        async end() {
          clearInterval(timer);
        },
      };
    },
  },
  {
    kind: "connection-refused",
    row: "F13",
    touches: ["network"],
    lastsMs: [500, 6_000],
    async begin({ links }, random) {
      const link = any(random);
      await links.proxy(link).refuse();
      return { target: link, end: () => links.proxy(link).accept() };
    },
  },
  {
    kind: "set-up-cut",
    row: "F13",
    touches: ["network"],
    lastsMs: [1_000, 3_000],
    async begin({ links }, random) {
      const link = any(random);
      links.proxy(link).resetNext(5);
      links.proxy(link).reset();
      return {
        target: link,
        async end() {
          links.proxy(link).resetNext(0);
        },
      };
    },
  },
  // Bytes go one way, and never come; the way back is open. What was swallowed is missing from connections that live: they are of no use in the end.
  toxic("half-open-to-server", "F14", [1_000, 15_000], "to-server", () => ({ kind: "black-hole" })),
  toxic("half-open-to-client", "F14", [500, 12_000], "to-client", () => ({ kind: "black-hole" })),
  toxic("blackhole", "F14", [1_000, 15_000], "both", () => ({ kind: "black-hole" })),
  toxic("mid-frame-cut", "F13", [1_000, 4_000], "both", (random) => ({ kind: "limit", bytes: 200 + random.below(20_000) })),
  toxic("latency", "F15", [3_000, 8_000], "both", (random) => ({
    kind: "latency",
    ms: 5 + random.below(300),
    jitterMs: random.below(100),
  })),
  toxic("bandwidth", "F15", [3_000, 8_000], "both", () => ({ kind: "bandwidth", bytesPerSecond: 64_000 })),
  toxic("slicer", "F15", [2_000, 5_000], "both", (random) => ({ kind: "slice", bytes: 1 + random.below(8) })),
];

/** A fault that is a toxic in one connection. */
function toxic(kind: string, row: string, lastsMs: readonly [number, number], direction: Direction, make: (random: Prng) => Toxic): Fault {
  return {
    kind,
    row,
    touches: ["network"],
    lastsMs,
    async begin({ links }, random) {
      const link = any(random);
      const proxy = links.proxy(link);
      const what = make(random);
      proxy.poison(direction, what);
      return {
        target: `${link}, ${JSON.stringify(what)}`,
        async end() {
          proxy.resume();
          if (what.kind === "black-hole") proxy.reset();
        },
      };
    },
  };
}
