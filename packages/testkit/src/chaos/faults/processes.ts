import type { Fault } from "../fault.ts";
import type { BrokerName, ChaosSystem } from "../system.ts";

/** Mostly the broker that serves: the other one is missed by nobody. */
function hit(system: ChaosSystem, chance: boolean): BrokerName {
  const { front } = system.links;
  if (chance) return front;
  return front === "a" ? "b" : "a";
}

/** Little more than a broker needs that does nothing. */
const smallHeapMb = 48;

/** Faults of the processes of Warren. */
export const processFaults: readonly Fault[] = [
  {
    kind: "broker-kill",
    row: "F1",
    touches: ["brokers"],
    lastsMs: [0, 1_500],
    async begin(system, random) {
      const name = hit(system, random.chance(0.75));
      const broker = system.brokers[name];
      await broker.kill();
      return { target: `broker ${name}`, end: async () => broker.start() };
    },
  },
  {
    kind: "broker-pause",
    row: "F20",
    touches: ["brokers"],
    lastsMs: [1_000, 8_000],
    async begin(system, random) {
      const name = hit(system, random.chance(0.75));
      const broker = system.brokers[name];
      broker.pause();
      return { target: `broker ${name}`, end: async () => broker.resume() };
    },
  },
  {
    kind: "broker-stall",
    row: "F24",
    touches: ["brokers"],
    lastsMs: [5_000, 5_000],
    async begin(system) {
      const name = system.links.front;
      const broker = system.brokers[name];
      // Again and again for a moment: an event loop that is late for everything, and never quite gone.
      const timer = setInterval(() => {
        broker.pause();
        setTimeout(() => broker.resume(), 300);
      }, 500);
      return {
        target: `broker ${name}`,
        async end() {
          clearInterval(timer);
          await new Promise((resolve) => setTimeout(resolve, 400));
          broker.resume();
        },
      };
    },
  },
  {
    kind: "broker-drain",
    row: "F27",
    touches: ["brokers"],
    lastsMs: [0, 1_500],
    async begin(system, random) {
      const name = hit(system, random.chance(0.75));
      const broker = system.brokers[name];
      await broker.terminate(20_000);
      return { target: `broker ${name}`, end: async () => broker.start() };
    },
  },
  {
    kind: "broker-memory",
    row: "F25",
    touches: ["brokers"],
    lastsMs: [4_000, 10_000],
    async begin(system) {
      const name = system.links.front;
      const broker = system.brokers[name];
      await broker.kill();
      // It may run out of memory, and is then as good as killed.
      broker.start({ env: { NODE_OPTIONS: `--max-old-space-size=${smallHeapMb}` }, mayEnd: true });
      return {
        target: `broker ${name}, with ${smallHeapMb} MB`,
        async end() {
          await broker.kill();
          broker.start();
        },
      };
    },
  },
  {
    kind: "fail-over",
    row: "F20",
    touches: ["brokers"],
    lastsMs: [1_500, 6_000],
    async begin({ links }) {
      const from = links.front;
      const to = from === "a" ? "b" : "a";
      links.pointFrontAt(to);
      return { target: `from ${from} to ${to}, and back`, end: async () => links.pointFrontAt(from) };
    },
  },
  {
    kind: "fail-over-of-a-paused-broker",
    row: "F20",
    touches: ["brokers"],
    lastsMs: [3_000, 8_000],
    async begin({ links, brokers }) {
      const from = links.front;
      const to = from === "a" ? "b" : "a";
      brokers[from].pause();
      links.pointFrontAt(to);
      // It wakes with all that it was about to do.
      return { target: `from ${from} to ${to}`, end: async () => brokers[from].resume() };
    },
  },
  {
    kind: "archiver-kill",
    row: "F3",
    touches: ["archiver"],
    lastsMs: [0, 2_000],
    async begin({ archiver }) {
      await archiver.kill();
      return { target: "archiver", end: async () => archiver.start() };
    },
  },
];
