import { fileURLToPath } from "node:url";
import { Supervised } from "./supervised.ts";
import { until, type ChaosSystem } from "./system.ts";
import {
  ephemeralName,
  type PublisherSpec,
  type ReaderSpec,
  type ReadersSpec,
  type WorkerProgress,
  type WorkerSpec,
  type WorkerStart,
} from "./workload/spec.ts";

/** The program of the workload, as it is built. */
const program = fileURLToPath(new URL("../../dist/chaos/workload/worker.js", import.meta.url));

const types = ["shop.order.placed", "shop.order.paid", "shop.order.sent", "shop.stock.low", "shop.stock.count.done", "shop.customer"];

/** The logs that are judged: three overlapping configs. */
export const logs = {
  all: ["shop.#"],
  orders: ["shop.order.*"],
  mixed: ["shop.order.paid", "shop.stock.#"],
} as const;

const reader = (consumer: string, log: keyof typeof logs, habit: ReaderSpec["habit"]): ReaderSpec => ({
  consumer,
  log,
  patterns: logs[log],
  habit,
});

/** Programs of readers, and who is in each. */
const readers: Readonly<Record<string, readonly ReaderSpec[]>> = {
  "readers-1": [reader("fast", "all", "steady"), reader("slow", "mixed", "slow"), reader("passer-by", "orders", "ephemeral")],
  "readers-2": [
    reader("billing", "orders", "steady"),
    reader("flapper", "all", "flapper"),
    reader("sleeper", "mixed", "sleeper"),
    reader("pair", "orders", "taker"),
  ],
  "readers-3": [reader("pair", "orders", "standby"), reader("duel", "mixed", "taker"), reader("shuffler", "all", "shuffler")],
  "readers-4": [reader("duel", "mixed", "taker")],
};

/** The workload of a run. */
export interface Workload {
  /** Consumers that must have been handed everything in the end, and the log of each. */
  consumers(): ReadonlyMap<string, keyof typeof logs>;
  readonly published: number;
  readonly taken: number;
  /** By consumer: the newest offset handed over, by any of its programs. */
  offsets(): ReadonlyMap<string, bigint>;
  /** Starts the publishers. */
  publish(): void;
  /** Resolves when the publishers have stored what they have begun. Throws after `withinMs`. */
  stopPublishing(withinMs: number): Promise<void>;
  /** Readers stay, and do not dawdle. */
  hurry(): void;
  /** Readers leave. Throws after `withinMs`. */
  stop(withinMs: number): Promise<void>;
}

/** Starts the readers; resolves when all have been opened. */
export async function startWorkload(system: ChaosSystem, seed: number): Promise<Workload> {
  const progress = new Map<string, WorkerProgress>();
  const worker = (spec: WorkerSpec): Supervised => {
    const args = (incarnation: number): readonly string[] => {
      const start: WorkerStart = { spec, folder: system.folder, incarnation };
      return [JSON.stringify(start)];
    };
    const process = new Supervised(
      { name: spec.name, folder: system.folder, file: program, args, env: globalThis.process.env, talks: true },
      system.unexpected,
      (message) => progress.set(spec.name, message as WorkerProgress),
    );
    system.workers.set(spec.name, process);
    return process;
  };
  const readerPrograms = Object.entries(readers).map(([name, its], index) => {
    const spec: ReadersSpec = { name, brokerUrl: system.links.url("front"), readers: its, seed: seed * 1_000 + index * 10 };
    return worker({ kind: "readers", ...spec });
  });
  const amqp = { url: system.links.url("publishers-amqp"), exchange: system.exchange, types, burstType: "shop.stock.low" };
  const publisherSpecs: readonly PublisherSpec[] = [
    { name: "shop-1", way: "sdk", ...amqp, seed: seed * 1_000 + 501, batch: 10, restMs: 150 },
    { name: "shop-2", way: "sdk", ...amqp, seed: seed * 1_000 + 502, batch: 5, restMs: 100 },
    { name: "foreign", way: "foreign", ...amqp, seed: seed * 1_000 + 503, batch: 5, restMs: 150 },
    { name: "gateway", way: "broker", ...amqp, url: system.links.url("front"), seed: seed * 1_000 + 504, batch: 5, restMs: 150 },
  ];
  const publishers = publisherSpecs.map((spec) => worker({ kind: "publisher", ...spec }));
  for (const each of readerPrograms) each.start();
  const names = readerPrograms.map(({ name }) => name);
  await until("readers are opened", 60_000, () => names.every((name) => progress.get(name)?.ready === true));
  for (const [log, patterns] of [...Object.entries(logs), ["archive", ["#"]] as const]) {
    system.journal.record({ kind: "log-opened", log, patterns });
  }
  const sum = (of: (each: WorkerProgress) => number): number => [...progress.values()].reduce((total, each) => total + of(each), 0);
  const within = async (what: string, ms: number, all: readonly Promise<void>[]): Promise<void> => {
    let done = false;
    void Promise.all(all).then(() => (done = true));
    await until(what, ms, () => done);
  };
  return {
    consumers() {
      const all = readerPrograms.flatMap(({ name, incarnation }) =>
        (readers[name] ?? []).map(({ consumer, habit, log }): readonly [string, keyof typeof logs] => [
          habit === "ephemeral" ? ephemeralName(consumer, name, incarnation) : consumer,
          log as keyof typeof logs,
        ]),
      );
      return new Map(all);
    },
    get published() {
      return sum((each) => each.published);
    },
    get taken() {
      return sum((each) => each.taken);
    },
    offsets() {
      const newest = new Map<string, bigint>();
      for (const { offsets } of progress.values()) {
        for (const [consumer, offset] of Object.entries(offsets)) {
          if (BigInt(offset) > (newest.get(consumer) ?? 0n)) newest.set(consumer, BigInt(offset));
        }
      }
      return newest;
    },
    publish() {
      for (const each of publishers) each.start();
    },
    stopPublishing: (ms) =>
      within(
        "publishers have stored everything",
        ms,
        publishers.map((each) => each.dismiss("stop")),
      ),
    hurry() {
      for (const each of readerPrograms) each.send("hurry");
    },
    stop: (ms) =>
      within(
        "readers have left",
        ms,
        readerPrograms.map((each) => each.dismiss("stop")),
      ),
  };
}
