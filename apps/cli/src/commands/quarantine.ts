import { timestampDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { AdminService } from "@warren/protocol/v1";
import type { Command } from "commander";
import { printRows } from "../output.ts";
import { connect, withServerOptions, type ServerOptions } from "./client-options.ts";

/** `quarantine ls`. */
export function addQuarantineCommands(program: Command): void {
  const quarantine = program.command("quarantine").description("events that no log can take");
  withServerOptions(
    quarantine.command("ls <receiver>").description("what a receiver (its key, see `receiver ls`) set aside, newest first, and why"),
  )
    .option("--count <n>", "at most so many", "20")
    .option("--payload", "with the first 64 KiB of each, in base64")
    .action(async (receiver: string, options: ServerOptions & { readonly count: string; readonly payload?: boolean }) => {
      const request = { receiverKey: receiver, limit: Number(options.count), payload: options.payload === true };
      const { events } = await createClient(AdminService, connect(options.broker)).listQuarantined(request);
      printRows(
        events.map(({ quarantineId, reason, type, source, id, size, recordedAt, detail, payload }) => ({
          quarantineId,
          reason,
          type,
          source,
          id,
          bytes: size,
          recordedAt: recordedAt === undefined ? "" : timestampDate(recordedAt).toISOString(),
          detail,
          ...(options.payload === true ? { payload: Buffer.from(payload).toString("base64") } : {}),
        })),
        options.output,
      );
    });
}
