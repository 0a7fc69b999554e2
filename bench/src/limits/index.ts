import { ensureRabbitMq, startRabbitMq } from "@warren/test-servers";
import type { Report, ScenarioOptions, Table } from "../harness/report.ts";
import { count, millis } from "../harness/rounds.ts";
import { pacedPerSecond } from "../peers/plan.ts";
import { measureLimits, type Limits } from "./measure.ts";

/** Minimal programs on the same parts: what no system built of them can pass on this machine. */
export async function limits(options: ScenarioOptions): Promise<Report> {
  ensureRabbitMq(options.say);
  const rabbitMq = await startRabbitMq();
  try {
    const found = await measureLimits(rabbitMq.url, options);
    return { ...limitsTable(found), notes: limitNotes, ratios: {}, raw: rawLimits(found), right: true };
  } finally {
    await rabbitMq.stop();
  }
}

/** What is to be known of the limits. */
export const limitNotes: readonly string[] = [
  "Limits are minimal programs; of the parts the best of the passes counts (one when quick, else three), of the straight path the median, measured in turn with the contestants where there are some: packs through a quorum queue with confirms and a consumer that only acks; ready segments with a unique key of 128 bits for each event, committed durably, one after the other; the bytes of events over HTTP/2, neither encoded nor decoded.",
  "The straight path is the whole job in one minimal program, all its processes at once on the same cores: a publisher that packs, a quorum queue with confirms, one process that checks each event, commits segments with a unique key of 128 bits for each event and its offset, where the head is as expected, sends them on, and saves how far subscribers are, subscribers over HTTP/2 that ack; and once behind a foreign sender, bare amqplib with plain messages: there it waits 4 ms between two appends, which Warren never does, for the larger segments. It does what Warren does when all goes well, and nothing for when it does not: no filters, no names, no quarantine, no coming again. What it does not reach, nothing is known to reach on these parts and cores; where Warren is more than a tenth better, it bounds nothing.",
];

/** The limits as a table. */
export function limitsTable({ packs, appends, streams, straight, foreign, straightLatency }: Limits): Table {
  const list = (cpu: Readonly<Record<string, number>>): string =>
    Object.entries(cpu)
      .map(([role, us]) => `${role} ${us}`)
      .join(", ");
  const receivers = (subscribers: number): string => `${subscribers} subscriber${subscribers === 1 ? "" : "s"}`;
  return {
    title: "Limits of the parts on this machine",
    columns: ["what", "events/s, or p50 and p99", "CPU for each event, microseconds"],
    rows: [
      ...[...packs].map(([events, { perSecond, cpu }]) => [`packs of ${events} through RabbitMQ`, count(perSecond), list(cpu)]),
      ...[...appends].map(([events, { perSecond, cpu }]) => [
        `segments of ${count(events)} with unique keys into PostgreSQL`,
        count(perSecond),
        list(cpu),
      ]),
      ...[...streams].map(([clients, { perSecond, cpu }]) => [
        `HTTP/2 to ${clients} client${clients === 1 ? "" : "s"}`,
        count(perSecond),
        list(cpu),
      ]),
      ...[...straight].map(([subscribers, { perSecond, cpu }]) => [
        `straight path, ${receivers(subscribers)}`,
        count(perSecond),
        list(cpu),
      ]),
      ...[...foreign].map(([subscribers, { perSecond, cpu }]) => [
        `straight path, plain messages of a foreign sender, ${receivers(subscribers)}`,
        count(perSecond),
        list(cpu),
      ]),
      ...[...straightLatency].map(([subscribers, { p50, p99, cpu }]) => [
        `straight path at ${count(pacedPerSecond)} events/s, ${receivers(subscribers)}`,
        `${millis(p50)} ms, ${millis(p99)} ms`,
        list(cpu),
      ]),
    ],
  };
}

/** The limits as JSON can write them. */
export function rawLimits(limits: Limits): unknown {
  return Object.fromEntries(
    Object.entries(limits).map(([name, values]) => [name, Object.fromEntries(values as ReadonlyMap<number, unknown>)]),
  );
}
