import { createLogger } from "@warren/service";
import type { Command } from "commander";
import { print } from "../output.ts";
import { setExitCode } from "../exit-code.ts";

interface DevCommandOptions {
  readonly tour?: boolean;
  readonly once?: boolean;
  readonly real?: boolean;
  readonly port: string;
  readonly archiverPort: string;
  readonly dataDir?: string;
}

/** `dev`: the whole system in one process on embedded parts, with a tour of what it does. */
export function addDevCommand(program: Command): void {
  program
    .command("dev")
    .description("the whole system in one process: PostgreSQL from npm, RabbitMQ's twin in memory")
    .option("--tour", "show the main job on real events first")
    .option("--once", "end after the tour: exit 0, or 1 if anything was missed")
    .option("--real", "use the servers named by WARREN_AMQP_URL and WARREN_DATABASE_URL: the same as `serve all`")
    .option("--port <port>", "of the broker", "7070")
    .option("--archiver-port <port>", "of the archiver", "7071")
    .option("--data-dir <folder>", "keep PostgreSQL's data there")
    .action(async (options: DevCommandOptions) => {
      if (options.real === true) {
        await program.parseAsync(["serve", "all"], { from: "user" });
        return;
      }
      await dev(options);
    });
}

async function dev(options: DevCommandOptions): Promise<void> {
  const began = performance.now();
  const say = (line: string): void => print(`[${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s] ${line}`);
  const logger = createLogger({ name: "warren", level: "warn", pretty: true });
  // A run that ends by itself must not meet whatever else listens.
  const once = options.once === true;
  // Not before it is needed: embedded PostgreSQL ends the process at the first SIGINT or SIGTERM, before other commands could end in peace.
  const { startDevSystem } = await import("../dev/dev-system.ts");
  const { tour } = await import("../dev/tour.ts");
  const system = await startDevSystem({
    brokerPort: once ? 0 : Number(options.port),
    archiverPort: once ? 0 : Number(options.archiverPort),
    folder: options.dataDir,
    logger,
    say,
  });
  say(`broker ${system.brokerUrl}, archiver ${system.archiverUrl}`);
  const right = options.tour === true || once ? await tour(system, say) : true;
  if (once) {
    await system.stop();
    setExitCode(right ? 0 : 1);
    return;
  }
  print(`
Warren is running. In other terminals:

  npx warren sub 'order.#' --consumer billing            subscribe under a name
  npx warren pub order.created '{"id":1}'                publish: the subscriber gets it
  (stop the subscriber, publish some more, start it again: it gets what it missed)
  npx warren consumer ls                                 who is asleep, who is live, how far behind
  npx warren archive read 'com.github.issues.*' --count 5
  curl -N '${system.brokerUrl}/v1/follow?pattern=order.%23'

Stop with Ctrl-C.`);
  const stop = (): void => {
    print("stopping");
    void system.stop().then(() => process.exit(0));
  };
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
}
