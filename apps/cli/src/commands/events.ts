import { text } from "node:stream/consumers";
import { durationMs } from "@bufbuild/protobuf/wkt";
import { createPublisher, createSubscriber, WarrenError } from "@warren/client";
import { Option, type Command } from "commander";
import { print, toJsonLine } from "../output.ts";
import { withServerOptions, type ServerOptions } from "./client-options.ts";
import { parseStart } from "./parse-start.ts";
import { parseDuration } from "./units.ts";

interface PubOptions extends ServerOptions {
  readonly source: string;
  readonly id?: string;
  readonly count: string;
  readonly amqp?: string;
  readonly exchange?: string;
}

interface SubOptions extends ServerOptions {
  readonly consumer?: string;
  readonly start: string;
  readonly count: string;
  readonly onConflict: "standby" | "take-over" | "reject";
  readonly onConfigChange: "fail" | "migrate";
  readonly onGap: "jump" | "fail";
  readonly expireAfter?: string;
}

/** `pub` and `sub`. */
export function addEventCommands(program: Command): void {
  withServerOptions(program.command("pub <type> [data]").description("publish an event; data is JSON or text, - reads standard input"))
    .option("--source <source>", "who says so", "/warren-cli")
    .option("--id <id>", "its id; publishing it again is safe")
    .option("--count <n>", "so many events; data {n} is replaced by 1, 2, 3 …", "1")
    .option("--amqp <url>", "straight to RabbitMQ instead of through the broker")
    .option("--exchange <name>", "with --amqp: the exchange")
    .action(publish);
  withServerOptions(program.command("sub <patterns...>").description("print events as they come; without --consumer nothing is kept"))
    .option("--consumer <name>", "name of the consumer: it goes on where it was")
    .option("--start <where>", "where a new name begins: latest, earliest, an offset to start after, or a time ago like 1h", "latest")
    .option("--count <n>", "end after so many; 0 is never", "0")
    .addOption(choice("--on-conflict <how>", "when another program has the name", ["standby", "take-over", "reject"]))
    .addOption(choice("--on-config-change <how>", "when the name has other patterns", ["fail", "migrate"]))
    .addOption(choice("--on-gap <what>", "where events can no longer be given: tell it and go on, or end", ["jump", "fail"]))
    .option("--expire-after <duration>", "a new name is forgotten after so long asleep, like 30d; else never")
    .action(subscribe);
}

function choice(flags: string, description: string, choices: readonly [string, ...string[]]): Option {
  return new Option(flags, description).choices(choices).default(choices[0]);
}

async function publish(type: string, given: string | undefined, options: PubOptions): Promise<void> {
  const raw = given === "-" ? await text(process.stdin) : given;
  await using publisher = createPublisher(
    options.amqp === undefined ? { brokerUrl: options.broker } : { amqpUrl: options.amqp, exchange: options.exchange },
  );
  const count = Number(options.count);
  if (!Number.isInteger(count) || count < 1) throw new WarrenError("REQUEST_INVALID", "--count must be 1 or more");
  const events = Array.from({ length: count }, (_, index) => ({
    type,
    source: options.source,
    id: options.id,
    data: parseData(raw?.replaceAll("{n}", String(index + 1))),
  }));
  for (const outcome of await publisher.publishAll(events)) {
    if (outcome.kind !== "ok") throw outcome.error;
    print(options.output === "table" ? outcome.id : toJsonLine({ id: outcome.id }));
  }
}

function parseData(raw: string | undefined): unknown {
  if (raw === undefined) return undefined;
  try {
    return JSON.parse(raw);
  } catch {
    return raw;
  }
}

async function subscribe(patterns: readonly string[], options: SubOptions): Promise<void> {
  const subscriber = createSubscriber({ brokerUrl: options.broker });
  const { consumer, onConflict, onConfigChange, onGap, expireAfter } = options;
  const expireAfterMs = expireAfter === undefined ? undefined : durationMs(parseDuration(expireAfter));
  const subscription = subscriber.subscribe({
    consumer,
    patterns,
    start: parseStart(options.start),
    onConflict,
    onConfigChange,
    onGap,
    expireAfterMs,
  });
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const telling = (async () => {
    for await (const status of subscription.status()) {
      if (status.kind !== "acked" && status.kind !== "connecting") say(`# ${toJsonLine(status)}`);
    }
  })();
  const stop = (): void => void subscription.close();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  const count = Number(options.count);
  let seen = 0;
  for await (const event of subscription) {
    const { offset, recordedAt, id, source, type, subject, time, dataContentType, partitionKey, extensions, data, retried } = event;
    const shown = { offset, recordedAt, id, source, type, subject, time, dataContentType, partitionKey, extensions, data, retried };
    print(
      options.output === "table"
        ? `${event.offset}  ${event.type}  ${event.source}  ${JSON.stringify(event.data) ?? ""}`
        : toJsonLine(shown),
    );
    event.ack();
    seen += 1;
    if (seen !== count) continue;
    // What was printed does not come again: it is saved before we leave.
    if (options.consumer !== undefined) for await (const _ of subscription.status()) if (subscription.ackedOffset >= event.offset) break;
    break;
  }
  await subscriber.close();
  await telling;
}
