import { durationMs } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { WarrenError } from "@warren/client";
import { AdminService, type Receiver, type Retention, type RetentionEffect } from "@warren/protocol/v1";
import type { Command } from "commander";
import { setExitCode } from "../exit-code.ts";
import { printRows } from "../output.ts";
import { connect, withServerOptions, type ServerOptions } from "./client-options.ts";
import { formatDuration, parseBytes, parseCount, parseDuration } from "./units.ts";

interface RetentionOptions extends ServerOptions {
  readonly maxAge?: string;
  readonly maxBytes?: string;
  readonly acked?: boolean;
  readonly forever?: boolean;
  readonly hold?: boolean;
  readonly dryRun?: boolean;
}

const admin = ({ broker }: ServerOptions) => createClient(AdminService, connect(broker));

function receiverRow(receiver: Receiver) {
  const { receiverKey, config, headOffset, oldestOffset, activeConsumers, sleepingConsumers, consuming, queue } = receiver;
  const { queueDepth, keptBytes, retention, heldBy, heldFromOffset } = receiver;
  return {
    key: receiverKey,
    patterns: (config?.patterns ?? []).join(" "),
    head: headOffset,
    oldest: oldestOffset,
    active: activeConsumers,
    asleep: sleepingConsumers,
    consuming,
    waiting: queueDepth,
    bytes: keptBytes,
    retention: describeRetention(retention),
    held: heldFromOffset === 0n ? "" : `from ${heldFromOffset} by ${heldBy.join(", ")}`,
    queue,
  };
}

function describeRetention(retention: Retention | undefined): string {
  if (retention === undefined) return "forever";
  const { maxAge, maxBytes, untilAcked, noHold } = retention;
  const limits = [
    ...(maxAge === undefined ? [] : [formatDuration(durationMs(maxAge))]),
    ...(maxBytes === 0n ? [] : [`${maxBytes} bytes`]),
    ...(untilAcked ? ["until acked"] : []),
  ];
  return `${limits.join(", ")}${noHold ? ", no hold" : ""}`;
}

/** `receiver ls|info|retention|rm`. */
export function addReceiverCommands(program: Command): void {
  const receiver = program.command("receiver").description("internal receivers");
  const command = (usage: string, text: string) => withServerOptions(receiver.command(usage).description(text));

  command("ls", "all receivers: queue, head, consumers").action(async (options: ServerOptions) => {
    const { receivers } = await admin(options).listReceivers({});
    printRows(receivers.map(receiverRow), options.output);
  });
  command("info <key>", "one receiver").action(async (key: string, options: ServerOptions) => {
    const response = await admin(options).getReceiver({ receiverKey: key });
    if (response.receiver !== undefined) printRows([receiverRow(response.receiver)], options.output);
  });
  command("retention <key>", "say how long its log keeps events")
    .option("--max-age <duration>", "older ones go: 90s, 30m, 12h, 7d")
    .option("--max-bytes <size>", "the oldest go above it: 500MB, 2GiB")
    .option("--acked", "those that every consumer has go")
    .option("--forever", "none go")
    .option("--hold", "what a consumer, also a sleeping one, has not settled stays over every limit (default)")
    .option("--no-hold", "the limits count, whoever has not settled the events")
    .option("--dry-run", "say what would go, and who holds or loses events")
    .action(setRetention);
  command("rm <key>", "remove it, its queue and its log; refused while it has consumers")
    .option("--dry-run", "say what would be removed")
    .action(async (key: string, options: ServerOptions & { readonly dryRun?: boolean }) => {
      const response = await admin(options).deleteReceiver({ receiverKey: key, dryRun: options.dryRun === true });
      if (response.receiver !== undefined)
        printRows([{ ...receiverRow(response.receiver), done: options.dryRun !== true }], options.output);
    });
}

async function setRetention(key: string, options: RetentionOptions): Promise<void> {
  const { maxAge, maxBytes, acked = false, forever = false, hold, dryRun = false } = options;
  const limited = maxAge !== undefined || maxBytes !== undefined || acked;
  if (limited === forever)
    throw new WarrenError("REQUEST_INVALID", "say --max-age, --max-bytes, --acked (one or more of them), or --forever");
  const retention = {
    ...(maxAge === undefined ? {} : { maxAge: parseDuration(maxAge) }),
    ...(maxBytes === undefined ? {} : { maxBytes: parseBytes(maxBytes) }),
    untilAcked: acked,
    noHold: hold === false,
  };
  const request = { receiverKey: key, dryRun, ...(forever ? {} : { retention }) };
  const { events, bytes, consumers } = await admin(options).setRetention(request);
  const named = (count: (effect: RetentionEffect) => bigint): string =>
    consumers
      .filter((each) => count(each) > 0n)
      .map((each) => `${each.consumer} ${count(each)}${each.asleep ? " (asleep)" : ""}`)
      .join(", ");
  printRows(
    [{ key, events, bytes, holding: named((each) => each.holdsEvents), losing: named((each) => each.losesEvents), done: !dryRun }],
    options.output,
  );
}

interface CheckOptions extends ServerOptions {
  readonly queueWarn: string;
  readonly queueCrit: string;
}

/** Exit codes as monitoring plugins have them, worst last. */
const levels = [
  { name: "ok", exit: 0 },
  { name: "warning", exit: 1 },
  { name: "unknown", exit: 3 },
  { name: "critical", exit: 2 },
] as const;

/** `check receivers`. */
export function addReceiverCheck(check: Command): void {
  withServerOptions(check.command("receivers").description("messages that wait in queues: exit 0 ok, 1 warning, 2 critical, 3 unknown"))
    .option("--queue-warn <n>", "warning from so many messages in one queue", "10000")
    .option("--queue-crit <n>", "critical from so many", "100000")
    .action(checkQueues);
}

async function checkQueues(options: CheckOptions): Promise<void> {
  const warn = parseCount("--queue-warn", options.queueWarn);
  const crit = parseCount("--queue-crit", options.queueCrit);
  const rows = await queueRows(options, (waiting) => {
    if (waiting === undefined) return 2;
    return waiting >= crit ? 3 : waiting >= warn ? 1 : 0;
  });
  printRows(
    rows.map(({ level, ...row }) => ({ status: levels[level].name, ...row })),
    options.output,
  );
  const worst = rows.reduce<0 | 1 | 2 | 3>((high, { level }) => (level > high ? level : high), 0);
  setExitCode(levels[worst].exit);
}

async function queueRows(options: ServerOptions, levelOf: (waiting: bigint | undefined) => 0 | 1 | 2 | 3) {
  try {
    const { receivers } = await admin(options).listReceivers({});
    return receivers.map(({ receiverKey, queue, queueDepth, waitingFor }) => ({
      level: levelOf(queueDepth),
      key: receiverKey,
      waiting: queueDepth,
      queue,
      problem: queueDepth === undefined && waitingFor === "" ? "the depth of the queue is not known" : waitingFor,
    }));
  } catch (error) {
    return [{ level: 2 as const, key: "", waiting: undefined, queue: "", problem: error instanceof Error ? error.message : String(error) }];
  }
}
