import { toJson } from "@bufbuild/protobuf";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { StoredEvent } from "@warren/protocol";
import { ArchiveService, EventSchema, type ArchivedEvent } from "@warren/protocol/v1";
import type { Command } from "commander";
import { print, printRows, toJsonLine } from "../output.ts";
import { connect, withServerOptions, type ServerOptions } from "./client-options.ts";
import { setExitCode } from "../exit-code.ts";
import { addReceiverCheck } from "./receiver.ts";

/** `check`. */
export function addCheckCommand(program: Command): void {
  const check = withServerOptions(
    program.command("check").description("whether broker and archiver are ready: exit 0, else 2 with the reasons"),
  );
  // What stands after `receivers` is its own.
  addReceiverCheck(check.enablePositionalOptions());
  check.action(async (options: ServerOptions) => {
    const results = await Promise.all([ready("broker", options.broker), ready("archiver", options.archiver)]);
    printRows(results, options.output);
    if (results.some(({ status }) => status !== "ok")) setExitCode(2);
  });
}

async function ready(
  app: string,
  url: string,
): Promise<{ readonly app: string; readonly url: string; readonly status: string; readonly problems: string }> {
  try {
    const response = await fetch(`${url}/readyz?verbose`, { signal: AbortSignal.timeout(5_000) });
    const { status, problems = {} } = (await response.json()) as {
      readonly status: string;
      readonly problems?: Readonly<Record<string, string>>;
    };
    return {
      app,
      url,
      status,
      problems: Object.entries(problems)
        .map(([part, problem]) => `${part}: ${problem}`)
        .join("; "),
    };
  } catch (error) {
    const { message } = error as Error;
    return { app, url, status: "unreachable", problems: `${message}; is it running? start it with: warren serve ${app}` };
  }
}

/** `archive get|read`. */
export function addArchiveCommands(program: Command): void {
  const archive = program.command("archive").description("every event ever published");
  const show = ({ position, recordedAt, event }: ArchivedEvent, output: string): void => {
    if (event === undefined) return;
    if (output !== "table")
      return print(
        toJsonLine({
          position,
          recordedAt: recordedAt === undefined ? undefined : timestampDate(recordedAt),
          event: toJson(EventSchema, event),
        }),
      );
    const { type, source, id, data } = new StoredEvent(event, position, new Date());
    print(`${position}  ${type}  ${source}  ${id}  ${JSON.stringify(data)?.slice(0, 80) ?? ""}`);
  };
  withServerOptions(archive.command("get <source> <id>").description("one event")).action(
    async (source: string, id: string, options: ServerOptions) => {
      const { event } = await createClient(ArchiveService, connect(options.archiver)).getEvent({ source, id });
      if (event !== undefined) show(event, options.output);
    },
  );
  withServerOptions(archive.command("read [patterns...]").description("events in the order of their positions"))
    .option("--after <position>", "only greater positions", "0")
    .option("--count <n>", "at most so many; 0 is all", "0")
    .action(async (patterns: readonly string[], options: ServerOptions & { readonly after: string; readonly count: string }) => {
      const client = createClient(
        ArchiveService,
        createConnectTransport({ baseUrl: options.archiver, httpVersion: "2", useBinaryFormat: true }),
      );
      const request = { filter: { patterns: [...patterns] }, afterPosition: BigInt(options.after), maxEvents: BigInt(options.count) };
      for await (const { events } of client.readEvents(request)) for (const event of events) show(event, options.output);
    });
}
