import type { Prng } from "../../simulation/prng.ts";
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
  {
    kind: "blackhole",
    row: "F14",
    touches: ["network"],
    lastsMs: [1_000, 15_000],
    async begin({ links }, random) {
      const link = any(random);
      links.proxy(link).blackhole();
      return {
        target: link,
        // What it swallowed is missing from the middle of the connections that live: they are of no use.
        async end() {
          links.proxy(link).resume();
          links.proxy(link).reset();
        },
      };
    },
  },
  {
    kind: "answers-lost",
    row: "F14",
    touches: ["network"],
    lastsMs: [500, 12_000],
    async begin({ links }, random) {
      const link = any(random);
      links.proxy(link).swallowAnswers();
      return {
        target: link,
        async end() {
          links.proxy(link).resume();
          links.proxy(link).reset();
        },
      };
    },
  },
];
