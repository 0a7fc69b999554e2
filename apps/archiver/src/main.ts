import { createLogger, runService } from "@warren/service";
import { openArchiver } from "./composition-root.ts";
import { readArchiverConfig } from "./config.ts";

await runService(async () => {
  const config = readArchiverConfig(process.env);
  const logger = createLogger({ name: "archiver", level: config.logLevel });
  return { app: openArchiver(config, logger), logger };
});
