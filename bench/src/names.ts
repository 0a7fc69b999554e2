import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { schemaName } from "@warren/postgres";
import { createPostgresStateStore } from "@warren/state-store";
import { startChild, type Child } from "./harness/child.ts";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, round2, spreadOf } from "./harness/rounds.ts";
import { openBenchDatabase } from "./parts/bench-log.ts";
import { startBenchSystem, type BenchSystem } from "./parts/bench-system.ts";
import { patience, subscribeProcess, type OpenJob } from "./parts/jobs.ts";

/*
 * What does a sleeping name cost a broker? The heap of the broker process after garbage collection, without names and with many: names that it found when it started,
 * and names that were awake and fell asleep. It is the shipped broker; a module beside it collects and tells.
 */

const goalBytes = 1024;
const patterns = ["bench.names"];

/** Heap for each sleeping name. */
export async function names({ quick, say }: ScenarioOptions): Promise<Report> {
  const restored = quick ? 5_000 : 50_000;
  const awake = quick ? 1_000 : 5_000;
  const rounds = quick ? 2 : 3;
  const folder = await mkdtemp(join(tmpdir(), "warren-bench-heap-"));
  const file = join(folder, "heap");
  const probe = new URL("parts/heap-probe.ts", import.meta.url).href;
  const brokerEnv = { NODE_OPTIONS: `--expose-gc --import ${probe}`, WARREN_BENCH_HEAP_FILE: file };
  const system = await startBenchSystem({ say, brokerEnv });
  const subscriber = startChild(subscribeProcess);
  try {
    const heap = (): Promise<number> => heapOf(system, file);
    /** Medians over fresh starts of the broker. */
    const afterRestart = async (): Promise<number> => {
      const heaps: number[] = [];
      for (let round = 0; round < rounds; round += 1) {
        await system.stopBroker(0);
        await system.startBroker(0);
        heaps.push(await heap());
      }
      return spreadOf(heaps).median;
    };
    await openAndClose(system, subscriber, "first", 1);
    say("the heap without names");
    const without = await afterRestart();
    say(`${count(restored)} names that the broker finds when it starts`);
    await seed(system, restored);
    const found = ((await afterRestart()) - without) / restored;

    say(`${count(awake)} names wake and fall asleep`);
    // What is kept of ended sessions is bounded, and full after so many.
    await openAndClose(system, subscriber, "warm", 1_200);
    const before = await heap();
    await openAndClose(system, subscriber, "awake", awake);
    const slept = ((await heap()) - before) / awake;
    const worst = round2(Math.max(found, slept) / goalBytes);
    return {
      title: "Sleeping names: heap of the broker for each",
      columns: ["names", "how many", "heap for each, bytes"],
      rows: [
        ["found when the broker started", count(restored), count(found)],
        ["were awake, fell asleep", count(awake), count(slept)],
      ],
      ratios: { "heap of a sleeping name / 1 KB": worst },
      goals: [{ measure: "heap of a sleeping name", against: "1 KB", ratio: worst, goal: 1, better: "less" }],
      notes: [`After garbage collection. The broker has ${count(without / 1024)} KiB of heap without names.`],
      raw: { without, found, slept },
      right: worst <= 1,
    };
  } finally {
    await subscriber.stop();
    await system.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

async function heapOf(system: BenchSystem, file: string): Promise<number> {
  await rm(file, { force: true });
  const [pid = 0] = system.pids().brokers;
  process.kill(pid, "SIGUSR2");
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    const text = await readFile(file, "utf8").catch(() => "");
    if (text !== "") return Number(text);
  }
}

/** So many names open, are live, and close. */
async function openAndClose(system: BenchSystem, subscriber: Child, prefix: string, many: number): Promise<void> {
  const brokerUrl = system.brokerUrls[0] ?? "";
  const step = 500;
  for (let from = 0; from < many; from += step) {
    const subscriptions = Array.from({ length: Math.min(step, many - from) }, (_, i) => ({
      brokerUrl,
      consumer: `${prefix}-${from + i}`,
      patterns,
    }));
    await subscriber.ask("open", { subscriptions } satisfies OpenJob, patience);
    await subscriber.ask("close");
  }
}

/** Makes names in the state store, as claims of sessions would. */
async function seed({ databaseUrl, namespace }: BenchSystem, many: number): Promise<void> {
  const database = openBenchDatabase(databaseUrl, schemaName(namespace, "broker"));
  const store = createPostgresStateStore(database);
  const { receivers } = await store.load();
  const receiverId = receivers[0]?.receiverId ?? 0n;
  const left = Array.from({ length: many }, (_, i) => `seeded-${i}`);
  const lane = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) await store.claimConsumer(name, receiverId, 0n);
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  await database.close();
}
