import { openArchiver, readArchiverConfig } from "@warren/archiver";
import { openBroker, readBrokerConfig } from "@warren/broker";
import { WarrenError } from "@warren/protocol";
import { createLogger, type Runnable } from "@warren/service";

/** Opens `broker`, `archiver` or `all`, not started. Throws CONFIG_INVALID. */
export function openApps(app: string): { readonly app: Runnable; readonly logger: ReturnType<typeof createLogger> } {
  const environment = process.env;
  if (app === "broker") {
    const config = readBrokerConfig(environment);
    const logger = createLogger({ name: "broker", level: config.logLevel });
    return { app: openBroker(config, logger), logger };
  }
  if (app === "archiver") {
    const config = readArchiverConfig(environment);
    const logger = createLogger({ name: "archiver", level: config.logLevel });
    return { app: openArchiver(config, logger), logger };
  }
  if (app !== "all") throw new WarrenError("CONFIG_INVALID", `serve takes broker, archiver or all, not ${app}`);
  // WARREN_LISTEN names the broker's address; the archiver keeps its default.
  const archiverConfig = readArchiverConfig({ ...environment, WARREN_LISTEN: environment["WARREN_ARCHIVE_LISTEN"] });
  const { host, port } = archiverConfig.listen;
  const brokerConfig = readBrokerConfig({ WARREN_ARCHIVE_URL: `http://${host}:${port}`, ...environment });
  const logger = createLogger({ name: "warren", level: brokerConfig.logLevel });
  const archiver = openArchiver(archiverConfig, logger.child({ app: "archiver" }));
  const broker = openBroker(brokerConfig, logger.child({ app: "broker" }));
  return {
    logger,
    app: {
      async start(signal) {
        await archiver.start(signal);
        await broker.start(signal);
      },
      async drain() {
        await broker.drain();
        await archiver.drain();
      },
    },
  };
}
