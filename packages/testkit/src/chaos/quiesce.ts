import { readHeads } from "./read-logs.ts";
import { until, type ChaosSystem } from "./system.ts";
import type { Workload } from "./workload.ts";

/** Resolves when the queues are empty and every consumer has been handed what its log holds. Throws, saying who has not, after `withinMs`. */
export async function quiesce(system: ChaosSystem, workload: Workload, withinMs: number): Promise<void> {
  let problem = "";
  const settled = async (): Promise<boolean> => {
    const waiting = await system.rabbitmq.control(["-q", "list_queues", "name", "messages"]);
    const full = waiting.split("\n").filter((line) => /\t[1-9]/.test(line));
    const heads = await readHeads(system);
    const offsets = workload.offsets();
    const behind = [...workload.consumers()].flatMap(([consumer, log]) => {
      const head = heads.get(log) ?? 0n;
      const offset = offsets.get(consumer) ?? 0n;
      return offset < head ? [`${consumer} is at ${offset} of ${head}`] : [];
    });
    problem = [...full.map((line) => `queue ${line.replace("\t", " holds ")}`), ...behind].join("; ");
    return problem === "";
  };
  const end = performance.now() + withinMs;
  try {
    await until("all is delivered", withinMs, () => settled().catch(() => false));
    // What RabbitMQ has given out and not yet heard of is counted above; this is for what the archiver has told last.
    if (!(await settled())) await until("all is delivered", Math.max(1, end - performance.now()), settled);
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}: ${problem}`, { cause: error });
  }
}
