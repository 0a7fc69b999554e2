import { createLogger, runService } from "@warren/service";
import { openBroker } from "./composition-root.ts";
import { readBrokerConfig } from "./config.ts";

await runService(async () => {
  const config = readBrokerConfig(process.env);
  const logger = createLogger({ name: "broker", level: config.logLevel });
  return { app: openBroker(config, logger), logger };
});
