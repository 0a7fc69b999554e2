import { Prng } from "../../simulation/prng.ts";
import type { HistoryRecord } from "../history.ts";
import { GeneratedConsumer } from "./generated-consumer.ts";
import { GeneratedLog } from "./generated-log.ts";
import type { OpenHistory } from "./green-history.ts";

interface Item {
  readonly event: string;
  readonly type: string;
  readonly digest: string;
}

const types = ["a.x", "a.y", "b.x", "c"];
const patternSets = [["#"], ["a.*"], ["*.x"], ["a.x", "c"], ["b.#"]];

/**
 * A history of a run in which much went wrong and everything was done right: several publishers with unknown and rejected outcomes, RabbitMQ killed under some, an
 * archive and other logs with missed and pruned events and changing writers, consumers that come, go, take over, ack out of order, park and are moved. The same
 * for the same seed.
 */
export function generateHistory(seed: number): OpenHistory {
  const random = new Prng(seed);
  const records: HistoryRecord[] = [];
  const archive = new GeneratedLog("archive", ["#"], random, records);
  archive.open();
  const logs = Array.from({ length: 1 + random.below(3) }, (_, n) => {
    return new GeneratedLog(`log-${n}`, random.pick(patternSets) ?? [], random, records);
  });
  let tokens = 0n;
  const nextToken = (): bigint => (tokens += BigInt(1 + random.below(3)));
  const consumers: GeneratedConsumer[] = [];
  const publishers = Array.from({ length: 1 + random.below(4) }, (_, n) => new GeneratedPublisher(`p${n}`, random, records));
  const holdings = { baseline: 10 + random.below(20), end: 0 };
  const sample = (at: "baseline" | "end", connections: number): void => {
    records.push({ kind: "resources", process: "broker", at, counts: { connections }, heapBytes: 50_000_000 + random.below(5_000_000) });
  };
  sample("baseline", holdings.baseline);
  const steps = 60 + random.below(400);
  for (let step = 0; step < steps; step += 1) {
    const log = random.pick(logs);
    const consumer = random.pick(consumers);
    if (log?.opened === false && random.chance(0.3)) log.open();
    if (random.chance(0.4)) random.pick(publishers)?.publish([archive, ...logs]);
    if (random.chance(0.04)) log?.disturb();
    if (log?.opened === true && consumers.length < 6 && random.chance(0.1))
      consumers.push(new GeneratedConsumer(`consumer-${consumers.length}`, log, nextToken, random, records));
    for (let n = random.below(8); n > 0; n -= 1) consumer?.step();
    if (random.chance(0.01)) records.push({ kind: "process-ended", process: "broker", expected: true, how: "SIGKILL" });
    if (random.chance(0.02)) records.push({ kind: "note", what: "fell behind" });
  }
  for (const each of [archive, ...logs]) if (!each.opened) each.open();
  for (const publisher of publishers) publisher.finish([archive, ...logs]);
  for (const consumer of consumers) consumer.finish();
  sample("end", holdings.baseline + random.below(4));
  return { records, logs: [archive, ...logs], complete: consumers.map(({ consumer }) => consumer) };
}

class GeneratedPublisher {
  readonly #name: string;
  readonly #random: Prng;
  readonly #records: HistoryRecord[];
  #count = 0;
  #attempt = 0;
  #again: Item[] = [];

  constructor(name: string, random: Prng, records: HistoryRecord[]) {
    this.#name = name;
    this.#random = random;
    this.#records = records;
  }

  /** A few attempts at once, then their outcomes. What has no known outcome is mostly tried again, first of all. */
  publish(logs: readonly GeneratedLog[], calm = false): void {
    const random = this.#random;
    const items = [...this.#again];
    this.#again = [];
    for (let n = 1 + random.below(5); n > 0; n -= 1) items.push(this.#next());
    const first = this.#attempt + 1;
    for (const item of items) {
      this.#attempt += 1;
      this.#records.push({ kind: "publish", publisher: this.#name, attempt: this.#attempt, ...item });
    }
    const cut = !calm && random.chance(0.05);
    const lost = !calm && random.chance(0.1);
    if (cut) this.#records.push({ kind: "routing-cut" });
    for (const [index, item] of items.entries()) {
      const rejected = !calm && random.chance(0.03);
      const unknown = !calm && (cut || lost || random.chance(0.05));
      const outcome = rejected ? "rejected" : unknown ? "indeterminate" : "ok";
      const arrives = outcome === "ok" || (unknown && random.chance(0.5));
      if (!rejected && arrives) for (const log of logs) if (!cut || random.chance(0.5)) log.take(item);
      if (outcome === "indeterminate" && random.chance(0.9)) this.#again.push(item);
      this.#records.push({ kind: "outcome", publisher: this.#name, attempt: first + index, outcome });
    }
    for (const log of logs) log.commit();
  }

  /** Until every event that it wants stored is. */
  finish(logs: readonly GeneratedLog[]): void {
    this.publish(logs, true);
  }

  #next(): Item {
    this.#count += 1;
    const event = `${this.#name}-${this.#count}`;
    return { event, type: this.#random.pick(types) ?? "c", digest: `content of ${event}` };
  }
}
