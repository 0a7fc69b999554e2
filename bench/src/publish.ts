import { startRabbitMq, ensureRabbitMq } from "@warren/test-servers";
import { createAmqpTransport } from "@warren/transport/amqp";
import { startChild } from "./harness/child.ts";
import type { Report, ScenarioOptions } from "./harness/report.ts";
import { count, millis, ratioOf, shown, spreadBy, takeTurns, type Spread } from "./harness/rounds.ts";
import { patience, publishProcess, type PublishJob, type Published } from "./parts/jobs.ts";
import { cpuUs, pidOnPort } from "./parts/processes.ts";

/*
 * What the SDK's publisher does alone: to RabbitMQ, with the archiver's queue bound and nobody consuming it (it is removed after each round), every event confirmed.
 * As fast as it can, and at fixed rates, for its latency. The publisher is a process of its own.
 */

const exchange = "bench.events";
const queue = { name: "bench.archive", patterns: ["#"], singleActiveConsumer: true };
const types = ["bench.order.created", "bench.order.paid", "bench.order.shipped"];

interface Figures extends Published {
  readonly perSecond: number;
  readonly serverUs: number;
}

type Case = Pick<PublishJob, "packing" | "call" | "eventBytes" | "rate"> & { readonly name: string };

const fast: readonly Case[] = [
  { name: "packs, publish() each, 256 B", packing: true, call: "each", eventBytes: 256 },
  { name: "packs, publishAll of 100, 256 B", packing: true, call: "all", eventBytes: 256 },
  { name: "packs, publish() each, 1 KiB", packing: true, call: "each", eventBytes: 1_024 },
  { name: "one event a message, publish() each, 256 B", packing: false, call: "each", eventBytes: 256 },
];
const rated: readonly Case[] = [
  { name: "packs, 100 events/s", packing: true, call: "each", eventBytes: 256, rate: 100 },
  { name: "packs, 1 000 events/s", packing: true, call: "each", eventBytes: 256, rate: 1_000 },
  { name: "packs, 10 000 events/s", packing: true, call: "each", eventBytes: 256, rate: 10_000 },
  { name: "one event a message, 1 000 events/s", packing: false, call: "each", eventBytes: 256, rate: 1_000 },
];

/** Rate, CPU, memory and confirm latency of the publisher. */
export async function publish({ quick, say }: ScenarioOptions): Promise<Report> {
  const rounds = quick ? 2 : 5;
  const size = quick ? { packs: 100_000, single: 10_000, seconds: 2 } : { packs: 400_000, single: 50_000, seconds: 10 };
  ensureRabbitMq(say);
  const rabbitmq = await startRabbitMq();
  const server = pidOnPort(Number(new URL(rabbitmq.url).port));
  const transport = createAmqpTransport({ url: rabbitmq.url, connectionName: "bench" });
  const publisher = startChild(publishProcess);

  async function measure(kind: Case): Promise<Figures> {
    await transport.ensureQueue({ exchange: { name: exchange, mode: "declare" }, queue });
    const events = kind.rate === undefined ? (kind.packing ? size.packs : size.single) : kind.rate * size.seconds;
    const before = cpuUs(server);
    const job: PublishJob = { ...kind, amqpUrl: rabbitmq.url, exchange, types, run: 7, events, window: 5_000 };
    const published = await publisher.ask<Published>("publish", job, patience);
    const serverUs = (cpuUs(server) - before) / events;
    await transport.deleteQueue(queue.name);
    if (published.failed > 0) throw new Error(`${published.failed} events were not published`);
    return { ...published, cpuUs: published.cpuUs / events, serverUs, perSecond: events / published.seconds };
  }

  try {
    say("warming up");
    for (const each of [fast[0], fast[3]]) if (each !== undefined) await measure(each);
    say("as fast as it can");
    const byName = new Map([...fast, ...rated].map((each) => [each.name, each]));
    const turn = (name: string): Promise<Figures> => measure(byName.get(name) ?? fast[0] ?? never());
    const speeds = await takeTurns(
      fast.map(({ name }) => name),
      rounds,
      turn,
    );
    say("at fixed rates");
    const rates = await takeTurns(
      rated.map(({ name }) => name),
      rounds,
      turn,
    );
    return toReport(speeds, rates, rounds);
  } finally {
    await publisher.stop();
    await transport.close();
    await rabbitmq.stop();
  }
}

function never(): never {
  throw new Error("there is such a case");
}

type Results = Readonly<Record<string, readonly Figures[]>>;

function toReport(speeds: Results, rates: Results, rounds: number): Report {
  const of = (results: Results, name: string, key: keyof Figures): Spread => spreadBy(results[name] ?? [], (figures) => figures[key]);
  const us = (spread: Spread): string => spread.median.toFixed(1);
  const [packs = never(), all = never(), , single = never()] = fast.map(({ name }) => of(speeds, name, "perSecond"));
  return {
    title: "Publish: the SDK to RabbitMQ, the archiver's queue bound, every event confirmed",
    columns: ["case", "events/s", "publisher us/event", "RabbitMQ us/event", "peak memory", "peak heap"],
    rows: fast.map(({ name }) => [
      name,
      shown(of(speeds, name, "perSecond")),
      us(of(speeds, name, "cpuUs")),
      us(of(speeds, name, "serverUs")),
      `${count(of(speeds, name, "peakMiB").median)} MiB`,
      `${count(of(speeds, name, "heapMiB").median)} MiB`,
    ]),
    tables: [
      {
        title: "Confirm latency at fixed rates (open loop: from when an event was to be published)",
        columns: ["case", "p50, ms", "p99, ms", "publisher us/event", "RabbitMQ us/event"],
        rows: rated.map(({ name }) => [
          name,
          shown(of(rates, name, "p50"), millis),
          shown(of(rates, name, "p99"), millis),
          us(of(rates, name, "cpuUs")),
          us(of(rates, name, "serverUs")),
        ]),
      },
    ],
    ratios: { "packs / one event a message": ratioOf(packs, single), "publishAll / publish()": ratioOf(all, packs) },
    notes: [
      `${rounds} rounds, taking turns. Never more than 5 000 events under way. Types change every 7 events. Quorum queue, persistent messages, nothing consumes.`,
    ],
    charts: [
      {
        title: "Publish, events/s",
        unit: "events/s",
        series: ["events/s"],
        groups: fast.map(({ name }) => ({ name, values: [of(speeds, name, "perSecond").median] })),
      },
    ],
    raw: { speeds, rates },
    right: true,
  };
}
