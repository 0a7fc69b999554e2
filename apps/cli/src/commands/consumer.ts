import { toJson } from "@bufbuild/protobuf";
import { durationMs, timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { WarrenError } from "@warren/client";
import { AdminService, ConsumerState, EventSchema, EventStanding, type Consumer, type ParkedEvent } from "@warren/protocol/v1";
import type { Command } from "commander";
import { printRows } from "../output.ts";
import { connect, withServerOptions, type ServerOptions } from "./client-options.ts";
import { parseStart } from "./parse-start.ts";
import { formatDuration, parseDuration } from "./units.ts";

type DryRun = ServerOptions & { readonly dryRun?: boolean };

const admin = ({ broker }: ServerOptions) => createClient(AdminService, connect(broker));

const states: ReadonlyMap<ConsumerState, string> = new Map([
  [ConsumerState.ASLEEP, "asleep"],
  [ConsumerState.CATCHING_UP, "catching-up"],
  [ConsumerState.LIVE, "live"],
]);

const standings: ReadonlyMap<EventStanding, string> = new Map([
  [EventStanding.NOT_STORED, "not-stored"],
  [EventStanding.WAITING, "waiting"],
  [EventStanding.SENT, "sent"],
  [EventStanding.ACKED, "acked"],
  [EventStanding.PARKED, "parked"],
]);

function consumerRow(consumer: Consumer) {
  const { name, state, ackedOffset, headOffset, lag, config, standbySessions, settled, parked, paused, expireAfter } = consumer;
  return {
    name,
    state: paused === "" ? (states.get(state) ?? "unknown") : `${states.get(state) ?? "unknown"}, paused`,
    acked: ackedOffset,
    above: settled.map(({ first, last }) => (first === last ? String(first) : `${first}-${last}`)).join(" "),
    head: headOffset,
    lag,
    parked,
    patterns: (config?.patterns ?? []).join(" "),
    standby: standbySessions,
    paused,
    expires: expireAfter === undefined ? "never" : `after ${formatDuration(durationMs(expireAfter))} asleep`,
  };
}

/** `consumer ls|info|seek|pause|resume|expire|rm|explain` and `consumer parked ls|retry|discard`. */
export function addConsumerCommands(program: Command): void {
  const consumer = program.command("consumer").description("named consumers");
  const command = (usage: string, text: string) => withServerOptions(consumer.command(usage).description(text));

  command("ls", "all consumers: state, offsets, lag").action(async (options: ServerOptions) => {
    const { consumers } = await admin(options).listConsumers({});
    printRows(consumers.map(consumerRow), options.output);
  });
  command("info <name>", "one consumer").action(async (name: string, options: ServerOptions) => {
    const response = await admin(options).getConsumer({ consumer: name });
    if (response.consumer !== undefined) printRows([consumerRow(response.consumer)], options.output);
  });
  command("seek <name> <where>", "move it: latest, earliest, an offset it goes on after, a time, or a time ago like 1h")
    .option("--dry-run", "say what would happen")
    .action(async (name: string, where: string, options: DryRun) => {
      const { fromOffset, toOffset } = await admin(options).seekConsumer({
        consumer: name,
        to: toStart(where),
        dryRun: options.dryRun === true,
      });
      printRows([{ name, from: fromOffset, to: toOffset, done: options.dryRun !== true }], options.output);
    });
  command("pause <name>", "send it nothing until it is resumed")
    .option("--reason <text>", "for who reads it", "")
    .action(async (name: string, options: ServerOptions & { readonly reason: string }) => {
      await admin(options).pauseConsumer({ consumer: name, reason: options.reason });
    });
  command("resume <name>", "end a pause").action(async (name: string, options: ServerOptions) => {
    await admin(options).resumeConsumer({ consumer: name });
  });
  command("expire <name> <after>", "forget it after so long asleep: 90s, 30m, 12h, 7d, or never").action(
    async (name: string, after: string, options: ServerOptions) => {
      const expireAfter = after === "never" ? {} : { expireAfter: parseDuration(after) };
      const response = await admin(options).updateConsumer({ consumer: name, ...expireAfter });
      if (response.consumer !== undefined) printRows([consumerRow(response.consumer)], options.output);
    },
  );
  command("rm <name>", "forget it: its offset and its parked events")
    .option("--dry-run", "say what would be forgotten")
    .action(async (name: string, options: DryRun) => {
      const response = await admin(options).deleteConsumer({ consumer: name, dryRun: options.dryRun === true });
      if (response.consumer !== undefined)
        printRows([{ ...consumerRow(response.consumer), done: options.dryRun !== true }], options.output);
    });
  command("explain <name> <source> <id>", "where an event stands for it").action(
    async (name: string, source: string, id: string, options: ServerOptions) => {
      const { standing, offset, receiverKeys, sessionToken, explanation } = await admin(options).explain({ consumer: name, source, id });
      printRows(
        [{ standing: standings.get(standing) ?? "unknown", offset, session: sessionToken, receivers: receiverKeys.join(" "), explanation }],
        options.output,
      );
    },
  );
  addParkedCommands(consumer);
}

function addParkedCommands(consumer: Command): void {
  const parked = consumer.command("parked").description("events that were set aside");
  const command = (usage: string, text: string) => withServerOptions(parked.command(usage).description(text));

  command("ls <name>", "what is parked, and why")
    .option("--after <offset>", "only greater offsets", "0")
    .option("--count <n>", "at most so many", "100")
    .option("--payload", "with the events, as JSON")
    .action(
      async (name: string, options: ServerOptions & { readonly after: string; readonly count: string; readonly payload?: boolean }) => {
        const request = { consumer: name, afterOffset: BigInt(options.after), limit: Number(options.count) };
        const { events } = await admin(options).listParked(request);
        printRows(
          events.map((event) => parkedRow(event, options.payload === true)),
          options.output,
        );
      },
    );
  command("retry <name> [offsets...]", "deliver them again, to this consumer alone; without offsets: all")
    .option("--dry-run", "say how many")
    .action(async (name: string, offsets: readonly string[], options: DryRun) => {
      const { count } = await admin(options).retryParked({
        consumer: name,
        offsets: offsets.map(toOffset),
        dryRun: options.dryRun === true,
      });
      printRows([{ name, events: count, done: options.dryRun !== true }], options.output);
    });
  command("discard <name> [offsets...]", "forget them")
    .option("--all", "all of them")
    .option("--dry-run", "say how many")
    .action(async (name: string, offsets: readonly string[], options: DryRun & { readonly all?: boolean }) => {
      const request = { consumer: name, offsets: offsets.map(toOffset), all: options.all === true, dryRun: options.dryRun === true };
      const { count } = await admin(options).discardParked(request);
      printRows([{ name, events: count, done: options.dryRun !== true }], options.output);
    });
}

function parkedRow({ offset, reason, attempts, parkedAt, retrying, event }: ParkedEvent, payload: boolean) {
  return {
    offset,
    type: event?.type,
    source: event?.source,
    id: event?.id,
    attempts,
    parkedAt: parkedAt === undefined ? "" : timestampDate(parkedAt).toISOString(),
    retrying,
    reason,
    ...(payload && event !== undefined ? { event: toJson(EventSchema, event) } : {}),
  };
}

function toOffset(text: string): bigint {
  if (!/^\d+$/.test(text)) throw new WarrenError("REQUEST_INVALID", `${text} is no offset`);
  return BigInt(text);
}

function toStart(where: string) {
  const start = parseStart(where);
  if (start === "latest" || start === "earliest") return { start: { case: start, value: {} } } as const;
  if (start instanceof Date) return { start: { case: "time", value: timestampFromDate(start) } } as const;
  return { start: { case: "afterOffset", value: start.afterOffset } } as const;
}
