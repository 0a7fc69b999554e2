import { runService } from "@warren/service";
import type { Command } from "commander";

/** `serve broker|archiver|all`: the apps, configured by their environment. */
export function addServeCommand(program: Command): void {
  program
    .command("serve <app>")
    .description("run broker, archiver or all; configured by WARREN_AMQP_URL, WARREN_DATABASE_URL and the like")
    .action((app: string) =>
      runService(async () => {
        // Other commands start without the servers' code.
        const { openApps } = await import("../serve-apps.ts");
        return openApps(app);
      }),
    );
}
