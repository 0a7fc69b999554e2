import { ConnectError } from "@connectrpc/connect";
import { fromConnectError } from "@warren/client";
import { isWarrenError } from "@warren/protocol";
import { Command, CommanderError } from "commander";
import { addArchiveCommands, addCheckCommand } from "./commands/admin.ts";
import { addConsumerCommands } from "./commands/consumer.ts";
import { addDevCommand } from "./commands/dev.ts";
import { addEventCommands } from "./commands/events.ts";
import { addQuarantineCommands } from "./commands/quarantine.ts";
import { addReceiverCommands } from "./commands/receiver.ts";
import { addServeCommand } from "./commands/serve.ts";
import { setExitCode } from "./exit-code.ts";

/** What was wrong, for people: a server's error by its code; what nobody foresaw with its stack. */
function describe(error: unknown): string {
  if (isWarrenError(error)) return `${error.code}: ${error.message}`;
  if (error instanceof ConnectError) return describe(fromConnectError(error));
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

const program = new Command("warren")
  .description("Events for teams that run RabbitMQ and PostgreSQL")
  .enablePositionalOptions()
  .exitOverride();
addDevCommand(program);
addServeCommand(program);
addEventCommands(program);
addConsumerCommands(program);
addReceiverCommands(program);
addCheckCommand(program);
addQuarantineCommands(program);
addArchiveCommands(program);
program
  .command("demo")
  .description("the whole story, scripted and checked, on real servers; exit 1 when anything is missed")
  .option("--embedded", "in one process, on embedded parts")
  .action(async (options: { readonly embedded?: boolean }) => {
    const { demo } = await import("./demo/demo.ts");
    await demo(options.embedded === true);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    setExitCode(error.exitCode);
  } else {
    process.stderr.write(`warren: ${describe(error)}\n`);
    setExitCode(1);
  }
}
